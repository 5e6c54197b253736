// Reading an object that somebody typed (a config, a request, options): each key is asked for with its type
// and range, so a key that nobody asked for is an unknown one. Whoever derives from this says what is wrong,
// and where, in an error of its own kind.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "text/json.h"

namespace rum {
// Is it a whole number? 60.0 is one, too, as in the settings of a run.
bool whole_number(const Json&, int64_t& to);
class JsonKeys {
 public:
  virtual ~JsonKeys() = default;
  // The value of a key, or null where it is missing; where `null_is_missing`, also where it is null.
  const Json* find(const std::string& key);
  // Each puts the value of a key, where it is there, into the variable. True: it was there.
  bool read(const std::string& key, std::string& to);
  bool read(const std::string& key, bool& to);
  bool read(const std::string& key, int64_t& to, int64_t low = std::numeric_limits<int64_t>::min(),
            int64_t high = std::numeric_limits<int64_t>::max());
  bool read(const std::string& key, double& to, double low = -std::numeric_limits<double>::infinity(),
            double high = std::numeric_limits<double>::infinity());
  // A list of texts; with `one_alone` also a text that stands for a list of one.
  bool read(const std::string& key, std::vector<std::string>& to, bool one_alone = false);

 protected:
  // object: null where there is none; then all keys are missing. It outlives this.
  explicit JsonKeys(const Json::Object* object, bool null_is_missing = false)
      : object_(object),
        null_is_missing_(null_is_missing) {}
  [[noreturn]] virtual void wrong(const std::string& key, const std::string& expected,
                                  const Json& found) const = 0;
  const std::string* unknown() const;  // the first key that nobody asked for, or null
  const std::vector<std::string>& known() const { return known_; }  // those that somebody asked for

 private:
  const Json::Object* object_;
  bool null_is_missing_;
  std::vector<std::string> known_;
};
}  // namespace rum
