#include "easel/base/system.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

namespace easel {
namespace {

constexpr const char* kProcessStatus = "/proc/self/status";

std::atomic<bool> interrupt_flag{false};

void on_interrupt(int signal_number) {
  if (interrupt_flag.exchange(true)) {
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
  }
}

// The number after `key` in a file with a key and a number on each line.
std::optional<uint64_t> number_after(const std::string& key, const std::filesystem::path& path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    uint64_t value = 0;
    if (line.starts_with(key) && std::istringstream(line.substr(key.size())) >> value) return value;
  }
  return std::nullopt;
}

// The same for lines `Key:   123 kB`, in bytes.
std::optional<uint64_t> kilobytes_after(const std::string& key, const std::filesystem::path& path) {
  const auto kilobytes = number_after(key, path);
  return kilobytes ? std::optional(*kilobytes * 1024) : std::nullopt;
}

uint64_t difference_or_zero(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// One memory controller of a cgroup, version 1 or 2.
struct CgroupFiles {
  const char* limit;
  const char* usage;
  const char* inactive_file_key;
  const char* active_file_key;
};
constexpr CgroupFiles kCgroup2{"memory.max", "memory.current", "inactive_file ", "active_file "};
constexpr CgroupFiles kCgroup1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ",
                               "total_active_file "};

// What the tightest group on the way from `group` to the root still allows. Cached files count as usage but give way.
uint64_t cgroup_available_bytes(const std::filesystem::path& mount, std::filesystem::path group,
                                const CgroupFiles& files) {
  uint64_t available = std::numeric_limits<uint64_t>::max();
  for (;; group = group.parent_path()) {
    const std::filesystem::path folder = mount / group.relative_path();
    const auto limit = number_after("", folder / files.limit);  // none where the file says "max"
    const auto usage = number_after("", folder / files.usage);
    if (limit && usage) {
      const uint64_t cached = number_after(files.inactive_file_key, folder / "memory.stat").value_or(0) +
                              number_after(files.active_file_key, folder / "memory.stat").value_or(0);
      available = std::min(available, difference_or_zero(*limit, difference_or_zero(*usage, cached)));
    }
    if (!group.has_relative_path()) return available;
  }
}

uint64_t cgroups_available_bytes(const std::filesystem::path& root) {
  uint64_t available = std::numeric_limits<uint64_t>::max();
  std::ifstream membership(root / "proc/self/cgroup");
  for (std::string line; std::getline(membership, line);) {  // "0::/a/b" for version 2, "5:memory:/a/b" for version 1
    const size_t names = line.find(':') + 1;
    const size_t path = line.find(':', names) + 1;
    if (names == 0 || path == 0) continue;
    const std::string controllers = "," + line.substr(names, path - 1 - names) + ",";
    if (line.starts_with("0::")) {
      available = std::min(available, cgroup_available_bytes(root / "sys/fs/cgroup", line.substr(path), kCgroup2));
    } else if (controllers.find(",memory,") != std::string::npos) {
      available =
          std::min(available, cgroup_available_bytes(root / "sys/fs/cgroup/memory", line.substr(path), kCgroup1));
    }
  }
  return available;
}

// What a `ulimit` still allows, where the process's use of `resource` is the field `key` of its status.
uint64_t rlimit_available_bytes(decltype(RLIMIT_AS) resource, const std::string& key) {
  struct rlimit limit {};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<uint64_t>::max();
  }
  return difference_or_zero(limit.rlim_cur, kilobytes_after(key, kProcessStatus).value_or(0));
}

}  // namespace

MemoryInfo memory_info(const std::filesystem::path& root) {
  const uint64_t total = kilobytes_after("MemTotal:", root / "proc/meminfo").value_or(0);
  const uint64_t available = kilobytes_after("MemAvailable:", root / "proc/meminfo").value_or(total);
  const uint64_t resident = std::min(available, cgroups_available_bytes(root));
  return {.total_bytes = total,
          .available_bytes = std::min(
              {resident, rlimit_available_bytes(RLIMIT_AS, "VmSize:"), rlimit_available_bytes(RLIMIT_DATA, "VmData:")}),
          .resident_bytes = resident};
}

uint64_t resident_bytes() { return kilobytes_after("VmRSS:", kProcessStatus).value_or(0); }

uint64_t peak_resident_bytes() { return kilobytes_after("VmHWM:", kProcessStatus).value_or(0); }

int processor_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, ::get_nprocs());
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "processor";
}

bool standard_error_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

int terminal_width() {
  struct winsize size {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::filesystem::path executable_path() {
  std::error_code failure;
  const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", failure);
  return failure ? std::filesystem::path() : path;
}

void limit_spinning(char** argv) {
  constexpr const char* kSpinCount = "GOMP_SPINCOUNT";
  // A program whose first thread is bound would bind all threads to that one processor if it began anew.
  for (const char* chosen : {kSpinCount, "OMP_WAIT_POLICY", "OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY"}) {
    if (std::getenv(chosen) != nullptr) return;
  }
  ::setenv(kSpinCount, "1000", 1);
  ::execv("/proc/self/exe", argv);  // where that fails the program goes on as it is
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);  // a file beyond `ulimit -f` is a failed write
}

bool interrupted() { return interrupt_flag.load(); }

}  // namespace easel
