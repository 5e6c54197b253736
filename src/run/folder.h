// A run's folder: what `ruminate train` leaves on disk, file by file.
//
//   config.toml        all keys, resolved             metrics.jsonl      a line per logged step, evaluation
//   tokenizer.json                                    log.txt            what was printed
//   environment.json   machine, build, libraries      samples.txt        translations as they improved
//   data.json          the corpora: hashes, sizes     events.out.*       for TensorBoard
//   checkpoints/       to resume from                 gemm.txt           on a GPU: which products were chosen
//   model.safetensors, results.json                   when the run is finished
#pragma once
#include <string>
#include <vector>

#include "base/output.h"

namespace rum {
struct RunFolder {
  std::string path;
  std::string file(const char* name) const { return path + "/" + name; }
  std::string config() const { return file("config.toml"); }
  std::string tokenizer() const { return file("tokenizer.json"); }
  std::string data() const { return file("data.json"); }
  std::string metrics() const { return file("metrics.jsonl"); }
  std::string checkpoints() const { return file("checkpoints"); }
  std::string model() const { return file("model.safetensors"); }  // the finished model: weights alone
  std::string results() const { return file("results.json"); }
  // Those above that a run writes, over or behind whatever lies there.
  std::vector<std::string> written() const {
    std::vector<std::string> out;
    for (const char* name : kRunFiles) out.push_back(file(name));
    return out;
  }
};
// FileError, with `given` as its path and where it helps this advice, where there is no config.toml in the
// folder.
void check_run_folder(const RunFolder&, const std::string& given,
                      const char* advice = "`ruminate train` makes one");
}  // namespace rum
