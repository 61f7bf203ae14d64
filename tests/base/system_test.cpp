#include "easel/base/system.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "easel/base/cancel.h"
#include "easel/base/pages.h"
#include "tests/support/temporary_folder.h"

namespace easel {
namespace {

using ::testing::ExitedWithCode;
using ::testing::KilledBySignal;
using testing::TemporaryFolder;

constexpr uint64_t kMegabyte = 1 << 20;

// A machine with 8 GiB, 6 of them available.
void write_machine(const TemporaryFolder& root) {
  root.write("proc/meminfo", "MemTotal:        8388608 kB\nMemFree:         1 kB\nMemAvailable:    6291456 kB\n");
}

TEST(MemoryInfo, WithoutLimitsIsWhatTheMachineHas) {
  const TemporaryFolder root;
  write_machine(root);
  EXPECT_EQ(memory_info(root.path()).total_bytes, 8192 * kMegabyte);
  EXPECT_EQ(memory_info(root.path()).available_bytes, 6144 * kMegabyte);
}

TEST(MemoryInfo, TheTightestGroupOnTheWayToTheRootCounts) {
  const TemporaryFolder root;
  write_machine(root);
  root.write("proc/self/cgroup", "0::/user/job\n");
  root.write("sys/fs/cgroup/user/job/memory.max", "max\n");
  root.write("sys/fs/cgroup/user/job/memory.current", "1000\n");
  root.write("sys/fs/cgroup/user/memory.max", "2147483648\n");
  root.write("sys/fs/cgroup/user/memory.current", "1073741824\n");
  EXPECT_EQ(memory_info(root.path()).available_bytes, 1024 * kMegabyte);
  root.write("sys/fs/cgroup/memory.max", "1073741824\n");  // as a container sees its own limit
  root.write("sys/fs/cgroup/memory.current", "536870912\n");
  EXPECT_EQ(memory_info(root.path()).available_bytes, 512 * kMegabyte);
}

TEST(MemoryInfo, CachedFilesOfAGroupGiveWay) {
  const TemporaryFolder root;
  write_machine(root);
  root.write("proc/self/cgroup", "0::/\n");
  root.write("sys/fs/cgroup/memory.max", "2147483648\n");
  root.write("sys/fs/cgroup/memory.current", "2147483648\n");  // full, but half of it is a checkpoint just read
  root.write("sys/fs/cgroup/memory.stat", "anon 1073741824\ninactive_file 805306368\nactive_file 268435456\n");
  EXPECT_EQ(memory_info(root.path()).available_bytes, 1024 * kMegabyte);
}

TEST(MemoryInfo, AnOverdrawnGroupHasNothing) {
  const TemporaryFolder root;
  write_machine(root);
  root.write("proc/self/cgroup", "0::/\n");
  root.write("sys/fs/cgroup/memory.max", "1000\n");
  root.write("sys/fs/cgroup/memory.current", "2000\n");
  EXPECT_EQ(memory_info(root.path()).available_bytes, 0u);
}

TEST(MemoryInfo, VersionOneGroupsCountToo) {
  const TemporaryFolder root;
  write_machine(root);
  root.write("proc/self/cgroup", "12:cpu,cpuacct:/\n7:hugetlb,memory:/job\n1:name=systemd:/x\n0::/\n");
  root.write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "3221225472\n");
  root.write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "2147483648\n");
  root.write("sys/fs/cgroup/memory/job/memory.stat", "total_inactive_file 1048576\ntotal_active_file 0\n");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "4294967296\n");
  EXPECT_EQ(memory_info(root.path()).available_bytes, 1025 * kMegabyte);
}

TEST(MemoryInfo, OddFilesAreNoReasonToFail) {
  const TemporaryFolder root;
  EXPECT_EQ(memory_info(root.path()).available_bytes, 0u);
  root.write("proc/meminfo", "MemTotal: lots\nMemAvailable:\n");
  root.write("proc/self/cgroup", "\n:\n::\nnonsense\n0::\n");
  EXPECT_EQ(memory_info(root.path()).total_bytes, 0u);
}

TEST(MemoryInfo, OfThisMachineIsPlausible) {
  const MemoryInfo info = memory_info();
  EXPECT_GT(info.total_bytes, 100 * kMegabyte);
  EXPECT_LE(info.available_bytes, info.total_bytes);
}

// Ends the process with status 0 if a limit of about `headroom` above the present use is seen.
[[noreturn]] void exit_after_limiting(decltype(RLIMIT_AS) resource, uint64_t used_bytes) {
  const uint64_t headroom = 200 * kMegabyte;
  const struct rlimit limit { used_bytes + headroom, used_bytes + headroom };
  if (::setrlimit(resource, &limit) != 0) std::_Exit(2);
  const uint64_t available = memory_info().available_bytes;
  std::_Exit(available > headroom / 2 && available <= headroom ? 0 : 1);
}

uint64_t status_field_bytes(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    uint64_t kilobytes = 0;
    if (word == key && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

TEST(MemoryInfoDeathTest, UlimitsCount) {
  EXPECT_EXIT(exit_after_limiting(RLIMIT_AS, status_field_bytes("VmSize:")), ExitedWithCode(0), "");
  EXPECT_EXIT(exit_after_limiting(RLIMIT_DATA, status_field_bytes("VmData:")), ExitedWithCode(0), "");
}

TEST(ResidentBytes, GrowWithTouchedMemory) {
  const uint64_t size = 64 * kMegabyte;
  const uint64_t before = resident_bytes();
  std::byte* pages = map_pages(size);
  ASSERT_NE(pages, nullptr);
  for (uint64_t i = 0; i < size; i += 4096) {
    EXPECT_EQ(pages[i], std::byte{0});
    pages[i] = std::byte{1};
  }
  EXPECT_GE(resident_bytes(), before + size * 9 / 10);
  EXPECT_GE(peak_resident_bytes(), before + size * 9 / 10);
  unmap_pages(pages, size);
  EXPECT_LT(resident_bytes(), before + size / 2);
}

TEST(Pages, RefusalIsANullPointer) { EXPECT_EQ(map_pages(uint64_t{1} << 60), nullptr); }

[[noreturn]] void exit_with_processor_count_on_one() {
  cpu_set_t allowed;
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
    if (CPU_ISSET(i, &allowed)) CPU_SET(i, &one);
  }
  ::sched_setaffinity(0, sizeof one, &one);
  std::_Exit(processor_count());
}

TEST(ProcessorCountDeathTest, IsWhatThisProcessMayUse) {
  EXPECT_GE(processor_count(), 1);
  EXPECT_EXIT(exit_with_processor_count_on_one(), ExitedWithCode(1), "");
}

[[noreturn]] void exit_with_width_of_terminal(unsigned short columns) {
  const int controller = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (controller < 0 || ::grantpt(controller) != 0 || ::unlockpt(controller) != 0) std::_Exit(2);
  const int terminal = ::open(::ptsname(controller), O_RDWR | O_NOCTTY);
  const struct winsize size { 24, columns, 0, 0 };
  if (terminal < 0 || ::ioctl(controller, TIOCSWINSZ, &size) != 0 || ::dup2(terminal, STDERR_FILENO) < 0) std::_Exit(3);
  std::_Exit(standard_error_is_terminal() ? terminal_width() : 4);
}

[[noreturn]] void exit_with_width_of_pipe() { std::_Exit(standard_error_is_terminal() ? 1 : terminal_width()); }

TEST(TerminalDeathTest, WidthIsThatOfStandardError) {
  EXPECT_EXIT(exit_with_width_of_terminal(133), ExitedWithCode(133), "");
  EXPECT_EXIT(exit_with_width_of_terminal(0), ExitedWithCode(80), "");  // a terminal that does not know
  EXPECT_EXIT(exit_with_width_of_pipe(), ExitedWithCode(80), "");       // death tests read standard error from a pipe
}

TEST(ExecutablePath, IsThisProgram) {
  EXPECT_EQ(executable_path().filename(), "test_base");
  EXPECT_TRUE(std::filesystem::exists(executable_path()));
}

[[noreturn]] void interrupt(int signal_number, int times) {
  catch_interrupts();
  if (interrupted()) std::_Exit(2);
  for (int i = 0; i < times; ++i) ::raise(signal_number);
  std::_Exit(interrupted() ? 0 : 1);
}

TEST(InterruptsDeathTest, TheFirstSetsAFlagTheSecondEndsTheProcess) {
  EXPECT_EXIT(interrupt(SIGINT, 1), ExitedWithCode(0), "");
  EXPECT_EXIT(interrupt(SIGTERM, 1), ExitedWithCode(0), "");
  EXPECT_EXIT(interrupt(SIGINT, 2), KilledBySignal(SIGINT), "");
  EXPECT_EXIT(interrupt(SIGTERM, 2), KilledBySignal(SIGTERM), "");
}

TEST(CancelToken, CopiesShareTheFlag) {
  const CancelToken token;
  const CancelToken copy = token;
  EXPECT_FALSE(copy.cancelled());
  token.cancel();
  EXPECT_TRUE(copy.cancelled());
  EXPECT_FALSE(CancelToken().cancelled());
}

}  // namespace
}  // namespace easel
