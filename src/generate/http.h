// One HTTP request at a time. http.cc is the one file that includes libcurl.
#pragma once
#include <string>
#include <vector>

namespace rum {
struct HttpReply {
  int status = 0;  // 0: no whole answer came, `error` says why
  std::string body;
  std::string error;
  std::string leads_to;    // the address that a redirection names
  double retry_after = 0;  // seconds that the server asks to wait; 0: it does not say
};
// POSTs a body of JSON and waits for the answer, `timeout` seconds at most for all of it. Headers: "Name:
// value". Follows no redirection. May be called from several threads. Error: libcurl does not start, or has
// no memory.
HttpReply post_json(const std::string& url, const std::string& body, const std::vector<std::string>& headers,
                    double timeout);
}  // namespace rum
