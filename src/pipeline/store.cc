#include "pipeline/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/unfinished.h"

namespace rum {
namespace fs = std::filesystem;

namespace {
constexpr const char* kFacts = "stage.json";

// Paths of everything below a folder except folders, relative to it, sorted. Links are not followed.
std::vector<std::string> files_below(const std::string& folder) try {
  std::vector<std::string> out;
  for (const auto& e : fs::recursive_directory_iterator(folder))
    if (e.is_symlink() || !e.is_directory()) out.push_back(e.path().lexically_relative(folder).string());
  std::sort(out.begin(), out.end());
  return out;
} catch (const fs::filesystem_error& e) {
  refuse(e.path1().empty() ? folder : e.path1().string(), "list the folder", e.code().value());
}
bool outside(const std::string& name) {
  const fs::path path = fs::path(name).lexically_normal();
  return path.empty() || path.is_absolute() || *path.begin() == "..";
}
std::string now() {
  const std::time_t t = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&t));
  return text;
}
}  // namespace

Store::Store(std::string folder, StoreUser user) : folder_(std::move(folder)), user_(std::move(user)) {
  if (Disk::real().exists(folder_) && !fs::is_directory(folder_))
    throw FileError(fmt::format("\"{}\" is a file; name a folder", folder_));
}
bool Store::finished(const std::string& id) const {
  if (Disk::real().exists(folder(id) + "/" + kFacts)) return true;
  std::error_code unknown;
  if (fs::is_symlink(folder(id), unknown) && !Disk::real().exists(folder(id)))
    throw FileError(folder(id) + ": a symbolic link that leads nowhere; mount or remove what it names");
  return false;
}
bool Store::begun(const std::string& id) const { return Disk::real().exists(part(id)); }
Json Store::facts(const std::string& id) const {
  const std::string path = folder(id) + "/" + kFacts;
  return parse_json(Disk::real().read(path), path);
}

std::vector<Json> Store::all_facts(const std::string& kind) const {
  std::vector<std::pair<std::string, Json>> found;
  if (!Disk::real().exists(folder_ + "/stages")) return {};
  for (const std::string& id : Disk::real().list(folder_ + "/stages")) {
    if (!id.starts_with(kind + "-") || !finished(id)) continue;
    try {
      Json facts = this->facts(id);
      const Json* when = facts.find("finished");
      found.emplace_back(when && when->text() ? *when->text() : "", std::move(facts));
    } catch (const FileError&) {  // damage is reported when the stage itself is requested
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Json> out;
  for (auto& [_, facts] : found) out.push_back(std::move(facts));
  return out;
}

std::string Store::damage(const std::string& id) const {
  const std::string index = folder(id) + "/" + kFacts, text = Disk::real().read(index);
  Json facts;
  try {
    facts = parse_json(text, index);
  } catch (const FileError& e) {
    return e.what();
  }
  const Json* files = facts.find("files");
  if (files == nullptr || files->object() == nullptr) return "stage.json does not list its files";
  for (const auto& [name, hash] : *files->object()) {
    if (outside(name)) return "stage.json lists " + name + ", which is not in the folder";
    const std::string path = folder(id) + "/" + name;
    std::error_code unknown;
    if (!Disk::real().exists(path) || fs::is_directory(path, unknown)) return name + " is missing";
    if (hash.text() == nullptr || *hash.text() != hex64(hash64(Disk::real().read(path))))
      return name + " does not match its checksum";
  }
  return "";
}
void Store::check(const Stage& stage) const {
  const std::string found = damage(stage.id);
  if (!found.empty())
    throw FileError(fmt::format("{}: {} is damaged ({}); {} makes it again", folder(stage.id), stage.label,
                                found, user_.make_all));
}
std::vector<std::string> Store::strangers(const std::string& id) const {
  std::vector<std::string> out;
  Json facts;
  const std::string index = folder(id) + "/" + kFacts;
  if (Disk::real().exists(index)) {
    const std::string text = Disk::real().read(index);
    try {
      facts = parse_json(text, index);
    } catch (const FileError&) {  // unknown owners: none is touched
    }
  }
  const Json* files = facts.find("files");
  for (const std::string& name : files_below(folder(id)))
    if (name != kFacts && !(files && files->find(name))) out.push_back(name);
  return out;
}

void Store::remove(const std::string& id, Progress& progress) {
  if (!Disk::real().exists(folder(id))) return;
  const std::vector<std::string> others = strangers(id);
  // First renamed as a whole, so that a half-deleted folder cannot be taken for a finished stage.
  std::string away;
  for (int n = 1; away.empty() || Disk::real().exists(away); ++n)
    away = fmt::format("{}.old-{}", folder(id), n);
  std::error_code error;
  fs::rename(folder(id), away, error);
  if (error) throw FileError(fmt::format("{}: cannot be removed: {}", folder(id), error.message()));
  for (const std::string& name : files_below(away))
    if (!std::binary_search(others.begin(), others.end(), name)) fs::remove(away + "/" + name, error);
  if (others.empty())
    fs::remove_all(away, error);  // folders
  else
    progress.line(fmt::format("{}: files that are not part of this stage stay here: {}", away,
                              fmt::join(others, ", ")));
}

std::string Store::lock(const std::string& name) const {
  Disk::real().make_folders(folder_ + "/locks");
  return folder_ + "/locks/" + name;
}
std::string Store::log(const std::string& id) const {
  Disk::real().make_folders(folder_ + "/logs");
  return folder_ + "/logs/" + id + ".txt";
}

void Store::make(const Graph& graph, const std::string& id, Progress& progress, const Stop& stop) {
  const Stage& stage = graph.at(id);
  const StageKind& kind = StageKind::named(stage.kind);
  const FileLock alone(lock(id), FileLock::Taken::wait);
  if (finished(id)) return;
  std::vector<std::string> folders;
  for (const auto& [name, i] : stage.inputs) {
    RUM_CHECK(finished(i), "{} ({}) needs {} ({}), which is not made yet; {} makes all of them in order", id,
              stage.label, i, graph.at(i).label, user_.make_all);
    folders.push_back(folder(i));
  }
  std::error_code error;
  if (!kind.resumes) fs::remove_all(part(id), error);
  if (error)
    throw FileError(fmt::format("{}: what an earlier attempt left cannot be removed: {}; remove it by hand",
                                part(id), error.message()));
  Disk::real().make_folders(part(id));
  for (const std::string& f : files_below(part(id)))
    if (is_unfinished(f)) Disk::real().remove(part(id) + "/" + f);  // a killed process left it
  const double start = seconds_now();
  kind.run({stage, std::move(folders), part(id), progress, stop});

  Json::Object files;
  for (const std::string& f : files_below(part(id)))
    if (f != kFacts) files.emplace_back(f, hex64(hash64(Disk::real().read(part(id) + "/" + f))));
  Json::Array before;
  for (const StageInput& i : stage.inputs) before.emplace_back(i.id);
  const Json facts(Json::Object{{"id", id},
                                {"kind", stage.kind},
                                {"label", stage.label},
                                {"parameters", stage.parameters},
                                {"inputs", std::move(before)},
                                {"files", std::move(files)},
                                {"cost", stage.cost},
                                {"seconds", seconds_now() - start},
                                {"finished", now()},
                                {"build", user_.build}});
  Disk::real().replace_text(part(id) + "/" + kFacts, to_json(facts, 1) + "\n");
  remove(id, progress);
  fs::rename(part(id), folder(id), error);
  if (error) throw FileError(fmt::format("{}: cannot be renamed to {}: {}", part(id), id, error.message()));
}
}  // namespace rum
