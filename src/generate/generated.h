// A corpus that a model writes: one JSON line per source, in order, with its provenance. The file only grows
// and may be cut off anywhere: the same call again continues at the first missing id, and in the end the
// bytes are those of a run without interruption.
#pragma once
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/stop.h"
#include "generate/best_of.h"
#include "generate/generate.h"
#include "run/provenance.h"
#include "run/run.h"

namespace rum {
struct Generated {
  int64_t id = 0;  // place of the source among all
  std::string source, target;
  double log_prob = 0;  // natural, sum over the tokens; NaN: none was written, or a hosted model does not say
  int64_t tokens = 0;   // of the target, with the end token if it was written
  bool finished = false;  // the end token came before the limit
  Provenance from;
};

std::string to_line(const Generated&);  // with its line end
// FileError: path, line, what was expected, what was found.
std::vector<Generated> read_generated(const std::string& path);

// Is there something to translate, and room in the context for so many tokens after it?
bool translatable(const LoadedRun&, std::string_view source, const Instruction* = nullptr,
                  int64_t tokens = 1);
// Does this translation of the source end, unfinished, where the context does?
bool fills_context(const LoadedRun&, std::string_view source, const Candidate&, const Instruction* = nullptr);
// What is translated in place of some of the sources, by their ids: of one that is too long its beginning, of
// one that is unfit nothing.
using Instead = std::map<int64_t, std::string>;
int64_t count_filling_context(const LoadedRun&, std::span<const Generated>, const Instruction* = nullptr,
                              const Instead& = {});
// For how many sources the file holds all `best` lines, a beginning of this work; what was cut off after them
// is removed. FileError: it holds anything else, or ends in it.
int64_t sources_done(std::span<const std::string> sources, int64_t best, const Provenance&,
                     const std::string& path);

// Translates what is missing of `sources`, into a line for each or, of draws, decoding.best lines; returns
// for how many the file already had them. Text i draws from its own stream, (seed, i). `done` is called with
// how many sources the file has, at first and whenever it has grown, and how many it had at first. A source
// that is not translatable gets an empty target. Error: best > 1 of a search or with BestOf. FileError:
// another process writes the file, or it holds anything but a beginning of this same work. Interrupted: by
// `stop`; what was being translated then, about ten seconds' work at most, is lost.
int64_t generate_file(const LoadedRun&, std::span<const std::string> sources, const Decoding&,
                      const Provenance&, const std::string& path,
                      const std::function<void(int64_t sources, int64_t before)>& done = {},
                      const Stop& stop = {}, const BestOf* = nullptr, const Instruction* = nullptr,
                      const Instead& = {});
}  // namespace rum
