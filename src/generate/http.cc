#include "generate/http.h"

#include <curl/curl.h>

#include <cmath>
#include <memory>

#include "base/error.h"

namespace rum {
namespace {
constexpr size_t kMost = size_t{1} << 26;  // bytes of an answer

size_t take(char* from, size_t size, size_t count, void* to) try {
  std::string& body = *static_cast<std::string*>(to);
  if (body.size() + size * count > kMost) return 0;  // ends the transfer
  body.append(from, size * count);
  return size * count;
} catch (...) {  // no memory: nothing may be thrown through libcurl
  return 0;
}
// Once for the process, before any thread asks for it.
void start_curl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  RUM_CHECK(started == CURLE_OK, "libcurl: {}", curl_easy_strerror(started));
}
}  // namespace

HttpReply post_json(const std::string& url, const std::string& body, const std::vector<std::string>& headers,
                    double timeout) {
  start_curl();
  const std::unique_ptr<CURL, void (*)(CURL*)> handle(curl_easy_init(), curl_easy_cleanup);
  RUM_CHECK(handle != nullptr, "libcurl: no memory for a request");
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> list(nullptr, curl_slist_free_all);
  const auto add = [&](const char* header) {
    curl_slist* const longer = curl_slist_append(list.get(), header);
    RUM_CHECK(longer != nullptr, "libcurl: no memory for a request");
    if (!list) list.reset(longer);
  };
  add("Content-Type: application/json");
  for (const std::string& h : headers) add(h.c_str());
  HttpReply reply;
  char reason[CURL_ERROR_SIZE] = "";
  CURL* const h = handle.get();
  curl_easy_setopt(h, CURLOPT_URL, url.c_str());
  curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(h, CURLOPT_HTTPHEADER, list.get());
  curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(h, CURLOPT_WRITEDATA, &reply.body);
  curl_easy_setopt(h, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, static_cast<long>(std::ceil(timeout * 1000)));
  curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);  // a timeout must not signal a thread
  const CURLcode done = curl_easy_perform(h);
  if (done != CURLE_OK) {
    reply.error = reason[0] != 0 ? reason : curl_easy_strerror(done);
    return reply;
  }
  long status = 0;
  curl_off_t wait = 0;
  const char* leads_to = nullptr;
  curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(h, CURLINFO_RETRY_AFTER, &wait);
  curl_easy_getinfo(h, CURLINFO_REDIRECT_URL, &leads_to);
  if (leads_to != nullptr) reply.leads_to = leads_to;
  reply.status = static_cast<int>(status);
  reply.retry_after = static_cast<double>(wait);
  return reply;
}
}  // namespace rum
