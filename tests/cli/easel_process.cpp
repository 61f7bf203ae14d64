#include "tests/cli/easel_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace easel::testing {
namespace {

std::string read_all(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> environment_with(const std::vector<std::string>& extra) {
  std::vector<std::string> all = extra;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('=') + 1);
    bool replaced = false;
    for (const std::string& ours : extra) replaced = replaced || ours.starts_with(name);
    if (!replaced) all.push_back(text);
  }
  return all;
}

}  // namespace

EaselProcess::EaselProcess(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  std::vector<std::string> words = {"/bin/sh", "-c", surroundings.limits + "\nexec \"$0\" \"$@\"", EASEL_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = environment_with(surroundings.environment);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::filesystem::path out = output_ / "out", err = output_ / "err";
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);
  if (!surroundings.directory.empty()) {
    posix_spawn_file_actions_addchdir_np(&actions, surroundings.directory.c_str());
  }
  const int failure =
      ::posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, pointers(words).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw std::runtime_error("the program cannot be started");
}

EaselProcess::~EaselProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool EaselProcess::wait_for_error_text(const std::string& text, std::chrono::seconds limit) const {
  return wait_for("err", text, limit);
}

bool EaselProcess::wait_for_output(const std::string& text, std::chrono::seconds limit) const {
  return wait_for("out", text, limit);
}

std::string EaselProcess::output() const { return read_all(output_ / "out"); }

bool EaselProcess::wait_for(const std::string& stream, const std::string& text, std::chrono::seconds limit) const {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    if (read_all(output_ / stream).find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

void EaselProcess::send(int signal_number) const { ::kill(pid_, signal_number); }

Finished EaselProcess::finish() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return {.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
          .out = read_all(output_ / "out"),
          .err = read_all(output_ / "err")};
}

Finished run_easel(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  return EaselProcess(arguments, surroundings).finish();
}

}  // namespace easel::testing
