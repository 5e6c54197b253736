// Where stages store their output: FOLDER/stages/ID, which appears whole or not at all (until then it is
// ID.part), with stage.json: its inputs and parameters, and a checksum of every file.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "pipeline/stage.h"

namespace rum {
// What a store knows about the program that uses it.
struct StoreUser {
  std::string build = "unknown";  // written to stage.json
  // For messages: the command that makes everything missing or damaged.
  std::string make_all = "the same command";
};
class Store {
 public:
  explicit Store(std::string folder, StoreUser = {});  // FileError: a file has that name
  const std::string& path() const { return folder_; }
  std::string folder(const std::string& id) const { return folder_ + "/stages/" + id; }
  std::string part(const std::string& id) const { return folder(id) + ".part"; }
  std::string log(const std::string& id) const;     // a path for what a stage prints, in an existing folder
  std::string lock(const std::string& name) const;  // a path for FileLock, in an existing folder

  // Its folder exists; contents not checked. FileError: that cannot be told, or it is a link that leads
  // nowhere.
  bool finished(const std::string& id) const;
  bool begun(const std::string& id) const;  // ID.part exists
  // "" if every file has the checksum in stage.json, else what is wrong. Extra files are not damage.
  // FileError: a file that is there cannot be read, which is no reason to make it again.
  std::string damage(const std::string& id) const;
  void check(const Stage&) const;  // FileError if the stage is damaged
  // Files in a finished stage's folder that are not its own, relative to it, sorted.
  std::vector<std::string> strangers(const std::string& id) const;
  // Removes a stage. Files that are not its own are kept in a folder ID.old-1, ID.old-2 ..., with a message.
  void remove(const std::string& id, Progress&);
  // Runs one stage whose inputs are finished; a lock keeps other processes on this machine out. Returns at
  // once if one of them has finished it. Error: a missing input, or whatever the stage throws.
  void make(const Graph&, const std::string& id, Progress&, const Stop& stop);
  Json facts(const std::string& id) const;  // stage.json of a finished stage; FileError
  // The facts of all finished, readable stages of this kind, newest first.
  std::vector<Json> all_facts(const std::string& kind) const;

 private:
  std::string folder_;
  StoreUser user_;
};
}  // namespace rum
