// Where stages keep what they made: FOLDER/stages/ID, which appears whole or not at all (until then it is
// ID.part), with stage.json: what it was made from, and a checksum of every file.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "pipeline/stage.h"

namespace rum {
// What a store knows about the program that uses it.
struct StoreUser {
  std::string build = "unknown";              // written to stage.json
  std::string make_all = "the same command";  // what makes all that is missing or damaged, for messages
};
class Store {
 public:
  explicit Store(std::string folder, StoreUser = {});
  const std::string& path() const { return folder_; }
  std::string folder(const std::string& id) const { return folder_ + "/stages/" + id; }
  std::string part(const std::string& id) const { return folder(id) + ".part"; }
  std::string log(const std::string& id) const { return folder_ + "/logs/" + id + ".txt"; }
  std::string lock(const std::string& name) const;  // a path for FileLock, in a folder that is there

  bool finished(const std::string& id) const;  // its folder stands; not checked
  bool begun(const std::string& id) const;     // some work lies in ID.part
  // "" when every file has the checksum that stage.json states, else what is wrong. Other
  // files are not damage.
  std::string damage(const std::string& id) const;
  void check(const Stage&) const;  // FileError of a stage that is damaged
  // Files in a finished stage's folder that are not its own, relative to it, sorted.
  std::vector<std::string> strangers(const std::string& id) const;
  // Files that are not the stage's own stay, in a folder ID.old-1, ID.old-2 ... that is named to people.
  void remove(const std::string& id, Progress&);
  // Runs one stage whose inputs are finished, alone on this machine; returns at once when somebody finished
  // it meanwhile. Error of an input that is missing; what the stage throws.
  void make(const Graph&, const std::string& id, Progress&, const std::function<bool()>& stop);
  Json facts(const std::string& id) const;  // stage.json of a finished stage; FileError
  // Of all finished stages that can be read, newest first.
  std::vector<Json> all_facts(const std::string& kind) const;

 private:
  std::string folder_;
  StoreUser user_;
};
}  // namespace rum
