// Where a command's output goes, opened before its work begins: a file that appears whole or not at all, or
// standard output, a pipe or a device, which are written to directly.
#pragma once
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/unfinished.h"

namespace rum {
// What a run writes into its folder, over or behind whatever lies there (run/folder.h).
inline constexpr const char* kRunFiles[] = {
    "config.toml", "tokenizer.json", "environment.json",  "data.json",    "metrics.jsonl",
    "samples.txt", "gemm.txt",       "model.safetensors", "results.json", "log.txt"};
// FileError when no file can be written there: a folder, a missing folder, no permission, links in a circle;
// or when something would be lost: it is one of `inputs` ("-": standard input), or of the files that a run or
// an experiment writes into its folder and reads again. Creates nothing.
void check_output(const std::string& path, const std::vector<std::string>& inputs = {});
// The same, and FileError for "-" and devices: where a file is read again later, or has to be whole. Returns
// where it is to be written: a link stays, and what it leads to is written.
[[nodiscard]] std::string check_output_file(const std::string& path,
                                            const std::vector<std::string>& inputs = {});
// Standard output, for what a command says beside its output; standard error when that itself may go there.
std::FILE* beside_output(const std::string& path);
// What a command says that is stopped before this file or folder is whole.
std::string stopped_sentence(const std::string& path);
// FileError when this folder is not there and cannot be made, or nothing can be written into it. Creates
// nothing.
void check_output_folder(const std::string& path);

// While it lives, no other process writes this output: a file that is replaced when the work is done, or a
// folder, new or (with a slash at its end) one that may be there.
class OutputLock {
 public:
  explicit OutputLock(const std::string& path);  // FileError when another process has it
  ~OutputLock();                                 // folders that were made for it and are still empty go
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

 private:
  std::vector<std::string> made_;  // innermost first
  std::optional<FileLock> lock_;   // none of a pipe or a device
  std::optional<Unfinished> unfinished_;
};
// The same of a file that its owner writes line by line.
class AppendLock {
 public:
  explicit AppendLock(const std::string& path);  // FileError as check_output, and when another has it

 private:
  std::optional<FileLock> whole_, lines_;  // none of a pipe or a device
  std::optional<Unfinished> unfinished_;
};

class OutputFile {
 public:
  // "-": standard output. FileError as check_output, and when another process writes the same file.
  explicit OutputFile(const std::string& path, SystemCalls& = SystemCalls::real());
  ~OutputFile();  // without finish() a file is as it was
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  void write(std::string_view);  // immediately; FileError when the disk is full, the reader is gone ...
  void finish();                 // the file is complete under its name, durable on disk

 private:
  std::string path_, temporary_;  // temporary_: empty when written to as it is
  SystemCalls& calls_;
  std::optional<FileLock> lock_;
  std::optional<Unfinished> unfinished_;
  std::optional<FileWriter> file_;
  bool terminal_ = false;
};
// The whole of an output at once.
void write_output(const std::string& path, std::string_view text);
}  // namespace rum
