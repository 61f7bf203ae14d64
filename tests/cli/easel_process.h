// The built program, run as a person would run it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace easel::testing {

struct Finished {
  int status;  // as the shell tells it; 128 + n if signal n ended it
  std::string out;
  std::string err;
};

struct Surroundings {
  std::filesystem::path directory = {};       // to run in; empty: this one
  std::vector<std::string> environment = {};  // "NAME=value", beside our own
  std::string limits = {};                    // shell commands such as "ulimit -v 1000000" before it starts
};

class EaselProcess {
 public:
  explicit EaselProcess(const std::vector<std::string>& arguments, const Surroundings& surroundings = {});
  EaselProcess(const EaselProcess&) = delete;
  EaselProcess& operator=(const EaselProcess&) = delete;
  ~EaselProcess();  // kills it if it still runs

  // False if `text` does not appear on its standard error, or standard output, in time.
  bool wait_for_error_text(const std::string& text, std::chrono::seconds limit) const;
  bool wait_for_output(const std::string& text, std::chrono::seconds limit) const;
  std::string output() const;  // so far
  void send(int signal_number) const;
  Finished finish();

 private:
  bool wait_for(const std::string& stream, const std::string& text, std::chrono::seconds limit) const;

  TemporaryFolder output_;
  pid_t pid_ = -1;
};

Finished run_easel(const std::vector<std::string>& arguments, const Surroundings& surroundings = {});

}  // namespace easel::testing
