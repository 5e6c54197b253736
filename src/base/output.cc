#include "base/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <span>

#include "base/error.h"
#include "base/terminal.h"

namespace rum {
namespace fs = std::filesystem;
namespace {
bool as_it_is(const std::string& path) { return path == "-" || is_device(path); }
// One name for all who write this file, so that the lock on it holds.
std::string written_under(const std::string& path) { return path + ".ruminate.tmp"; }
// Where a symbolic link leads, be it to nothing yet.
std::string led_by_links(std::string path) {
  constexpr int kMostLinks = 40;  // as the system follows
  const std::string given = path;
  std::error_code unknown;
  for (int n = 0; fs::is_symlink(path, unknown); ++n) {
    if (n == kMostLinks)
      throw FileError(given + ": its symbolic links lead to each other in a circle; name another file");
    path = (fs::path(path).parent_path() / fs::read_symlink(path, unknown)).string();
  }
  return path;
}
bool same_file(const std::string& path, const std::string& input) {
  std::error_code unknown;
  return fs::equivalent(path, input == "-" ? "/dev/stdin" : input, unknown);
}
// "the run FOLDER" or "the experiment FOLDER", if that is what writes and reads this file; else "".
std::string owner_of(const std::string& path) {
  constexpr const char* kExperiments[] = {"stages", "locks", "logs", "config.toml", "log.txt"};
  std::error_code unknown;
  const auto there = [&](const fs::path& p) { return fs::exists(p, unknown); };
  const auto one_of = [](const auto& names, const std::string& name) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  std::string name = fs::path(path).filename().string();  // in `f`: the file, or the folder that leads to it
  for (fs::path f = fs::canonical(folder_of(path), unknown); f.has_relative_path(); f = f.parent_path()) {
    if (there(f / "config.toml") && (there(f / "checkpoints") || there(f / "model.safetensors")) &&
        (one_of(kRunFiles, name) || name == "checkpoints"))
      return "the run " + f.string();
    if (there(f / "stages") && there(f / "locks") && one_of(kExperiments, name))
      return "the experiment " + f.string();
    name = f.filename().string();
  }
  return "";
}
std::string check_writable(const std::string& given) {
  const std::string path = led_by_links(given);
  std::error_code unknown;
  if (path.empty() || path.ends_with('/') || fs::is_directory(path, unknown))
    throw FileError(fmt::format("\"{}\" is a folder; name a file", path));
  // It is written under a longer name first.
  if (constexpr size_t kLongest = 230; fs::path(path).filename().string().size() > kLongest)
    throw FileError(fmt::format("{}: the name has {} bytes; at most {} can be written", path,
                                fs::path(path).filename().string().size(), kLongest));
  if (!fs::is_directory(folder_of(path), unknown))
    throw FileError(fmt::format("{}: there is no folder {}; make it first", path, folder_of(path)));
  if (::access(folder_of(path).c_str(), W_OK) != 0) refuse(folder_of(path), "write in the folder", errno);
  if (fs::exists(path, unknown) && ::access(path.c_str(), W_OK) != 0) refuse(path, "write to it", errno);
  return path;
}
}  // namespace

void check_output(const std::string& given, const std::vector<std::string>& inputs) {
  if (as_it_is(given)) return;
  const std::string path = check_writable(given);
  for (const std::string& input : inputs)
    if (same_file(path, input))
      throw FileError(
          fmt::format("{}: it is read here as well, and would be overwritten; name another output", given));
  if (const std::string owner = owner_of(path); !owner.empty())
    throw FileError(
        fmt::format("{}: it belongs to {} and would be overwritten; name another output", given, owner));
}

std::string check_output_file(const std::string& path, const std::vector<std::string>& inputs) {
  if (as_it_is(path))
    throw FileError(fmt::format("{} is not a regular file: name one, what is written here is read again",
                                path == "-" ? "standard output" : path));
  check_output(path, inputs);
  return led_by_links(path);
}
std::FILE* beside_output(const std::string& path) { return as_it_is(path) ? stderr : stdout; }

std::string stopped_sentence(const std::string& path) {
  return fmt::format("stopped, and what was made so far is lost: {} is written whole or not at all", path);
}

void check_output_folder(const std::string& path) {
  if (path.empty() || path == "-") throw FileError(fmt::format("\"{}\" is no folder; name one", path));
  std::error_code unknown;
  fs::path there = path;  // or what is there of the way to it
  while (!there.empty() && !fs::exists(there, unknown)) {
    if (fs::is_symlink(there, unknown))
      throw FileError(there.string() + ": a symbolic link that leads nowhere; make the folder it names");
    there = there.parent_path();
  }
  if (there.empty()) there = ".";
  if (!fs::is_directory(there, unknown))
    throw FileError(
        fmt::format("{}\"{}\" is a file; name a folder", there == path ? "" : path + ": ", there.string()));
  if (::access(there.c_str(), W_OK) != 0) refuse(there.string(), "write in the folder", errno);
}

OutputLock::OutputLock(const std::string& path) {
  if (as_it_is(path)) return;
  const std::string written = led_by_links(path), folder = folder_of(written);
  for (fs::path p = folder; !p.empty() && !Disk::real().exists(p.string()); p = p.parent_path())
    made_.push_back(p.string());
  if (!made_.empty()) Disk::real().make_folders(folder);
  lock_.emplace(written_under(written));
  unfinished_.emplace(stopped_sentence(without_end_slashes(path)),
                      [lock = written_under(written), made = made_] {
                        ::unlink(lock.c_str());
                        for (const std::string& folder : made) ::rmdir(folder.c_str());
                      });
}
OutputLock::~OutputLock() {
  lock_.reset();
  for (const std::string& made : made_) ::rmdir(made.c_str());
}

AppendLock::AppendLock(const std::string& path) {
  if (as_it_is(path)) return;
  const std::string written = check_writable(path);  // an experiment's stages append, too
  const bool new_file = !Disk::real().exists(written);
  whole_.emplace(written_under(written));
  lines_.emplace(path);
  unfinished_.emplace(fmt::format("stopped: {} keeps what it has; the same command continues", path),
                      [new_file, written, lock = written_under(written)] {
                        std::error_code unknown;
                        if (new_file && fs::file_size(written, unknown) == 0) ::unlink(written.c_str());
                        ::unlink(lock.c_str());
                      });
}

OutputFile::OutputFile(const std::string& path, SystemCalls& calls)
    : path_(path == "-" ? "standard output" : path),
      calls_(calls) {
  check_output(path);
  if (as_it_is(path)) {
    const int file =
        path == "-" ? ::dup(STDOUT_FILENO) : calls_.open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC, 0);
    file_.emplace(calls_, file, path_);
    terminal_ = isatty(file) == 1;
    return;
  }
  path_ = led_by_links(path);
  temporary_ = written_under(path_);
  lock_.emplace(temporary_);
  struct stat s;
  if (::stat(temporary_.c_str(), &s) == 0 && (s.st_size > 0 || s.st_nlink > 1)) {  // of a killed process
    calls_.unlink(temporary_.c_str());
    lock_.emplace(temporary_);
  }
  unfinished_.emplace(stopped_sentence(path_), [name = temporary_] { ::unlink(name.c_str()); });
  const int file = calls_.open(temporary_.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0);
  if (file == -1) refuse(temporary_, "open for writing", errno);
  take_permissions(file, path_);
  file_.emplace(calls_, file, path_);
}
OutputFile::~OutputFile() {
  file_.reset();
  if (!temporary_.empty()) calls_.unlink(temporary_.c_str());
}
void OutputFile::write(std::string_view given) {
  const std::string shown = terminal_ ? visible(given) : "";
  file_->write(std::as_bytes(std::span(terminal_ ? std::string_view(shown) : given)));
}
void OutputFile::finish() {
  if (!temporary_.empty()) file_->sync();
  file_->close();
  if (temporary_.empty()) return;
  unfinished_->finish([&] {
    if (calls_.rename(temporary_.c_str(), path_.c_str()) == -1)
      refuse(path_, "give the finished file its name", errno);
  });
  temporary_.clear();
  Disk(calls_).sync_folder(folder_of(path_));
}
void write_output(const std::string& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.finish();
}
}  // namespace rum
