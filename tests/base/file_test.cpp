#include "easel/base/file.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "easel/base/error.h"
#include "tests/support/temporary_folder.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TemporaryFolder;

constexpr uint64_t kLimit = 1 << 20;

// The error that `action` throws as "code: message"; empty if it throws none.
template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return fmt::format("{}: {}",
                       error.code() == ErrorCode::not_found         ? "not_found"
                       : error.code() == ErrorCode::invalid_request ? "invalid_request"
                       : error.code() == ErrorCode::io_failure      ? "io_failure"
                                                                    : "other",
                       error.what());
  }
  return {};
}

// For death tests: ends the process with status 0 after printing the error.
template <typename Action>
[[noreturn]] void exit_with_error_of(Action action) {
  const std::string error = error_of(action);
  std::fprintf(stderr, "%s\n", error.c_str());
  std::_Exit(error.empty() ? 1 : 0);
}

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, HoldsTheBytesEvenAfterTheFileIsGone) {
  const TemporaryFolder folder;
  const auto path = folder.write("weights.bin", "twelve bytes");
  const auto file = MappedFile::open(path);
  std::filesystem::remove(path);
  EXPECT_EQ(file->name(), path.string());
  EXPECT_EQ(file->size(), 12u);
  EXPECT_EQ(text_of(*file), "twelve bytes");
}

TEST(MappedFile, EmptyFileIsAnEmptySpan) {
  const TemporaryFolder folder;
  EXPECT_EQ(MappedFile::open(folder.write("empty", ""))->size(), 0u);
}

TEST(MappedFile, ReleasedPagesComeBackWithTheSameBytes) {
  const TemporaryFolder folder;
  const std::string text(100'000, 'w');
  const auto file = MappedFile::open(folder.write("weights.bin", text));
  EXPECT_EQ(text_of(*file), text);
  file->release_pages(file->bytes());
  file->release_pages(file->bytes().subspan(5000, 10));  // within a page: nothing to give back
  file->release_pages({});
  EXPECT_EQ(text_of(*file), text);
}

TEST(MappedFile, ErrorsNameThePathAndTheReason) {
  const TemporaryFolder folder;
  const auto open = [](const std::filesystem::path& path) { return error_of([&] { MappedFile::open(path); }); };
  EXPECT_EQ(open(folder / "absent"),
            "not_found: " + (folder / "absent").string() + ": cannot be opened: No such file or directory");
  EXPECT_EQ(open(folder.path()), "io_failure: " + folder.path().string() + ": is a directory, expected a regular file");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(open(folder / "pipe"), HasSubstr("is a device, pipe or socket, expected a regular file"));  // no waiting
}

TEST(ReadFile, ReadsUpToTheLimit) {
  const TemporaryFolder folder;
  const auto path = folder.write("notes.txt", std::string("a\0b\n", 4));
  EXPECT_EQ(read_text_file(path, 4), std::string("a\0b\n", 4));
  EXPECT_EQ(read_file(path, kLimit).size(), 4u);
  EXPECT_EQ(read_text_file(folder.write("empty", ""), kLimit), "");
  EXPECT_EQ(error_of([&] { read_file(path, 3); }),
            "invalid_request: " + path.string() + ": has 4 bytes, expected at most 3");
  EXPECT_THAT(error_of([&] { read_file(folder / "absent", kLimit); }), HasSubstr("not_found"));
}

TEST(WriteFileWhole, CreatesAndReplaces) {
  const TemporaryFolder folder;
  write_file_whole(folder / "image.png", std::string_view("first"));
  write_file_whole(folder / "image.png", std::string_view("second, longer"));
  EXPECT_EQ(read_text_file(folder / "image.png", kLimit), "second, longer");
  write_file_whole(folder / "image.png", std::string_view());
  EXPECT_EQ(read_text_file(folder / "image.png", kLimit), "");
  EXPECT_THAT(folder.names(), ElementsAre("image.png"));
}

TEST(WriteFileWhole, TakesTheLongestNameThereIs) {
  const TemporaryFolder folder;
  const std::string name(255, 'n');
  write_file_whole(folder / name, std::string_view("x"));
  EXPECT_THAT(folder.names(), ElementsAre(name));
}

TEST(WriteFileWhole, WritesIntoTheCurrentDirectory) {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file_whole("image.png", std::string_view("x"));
  std::filesystem::current_path(before);
  EXPECT_THAT(folder.names(), ElementsAre("image.png"));
}

TEST(WriteFileWhole, PassesOverWhatAKilledProcessLeft) {
  const TemporaryFolder folder;
  for (int i = 0; i < 1000; ++i) folder.write(fmt::format(".easel.{}.{}.part", ::getpid(), i), "stale");
  write_file_whole(folder / "image.png", std::string_view("x"));
  EXPECT_EQ(read_text_file(folder / "image.png", kLimit), "x");
}

TEST(WriteFileWhole, ReadersSeeTheOldOrTheNewContent) {
  const TemporaryFolder folder;
  const std::string a(50'000, 'a');
  const std::string b(70'000, 'b');
  write_file_whole(folder / "image.png", a);
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) write_file_whole(folder / "image.png", i % 2 == 0 ? b : a);
  });
  for (int i = 0; i < 200; ++i) {
    const std::string seen = read_text_file(folder / "image.png", kLimit);
    EXPECT_TRUE(seen == a || seen == b) << seen.size();
  }
  writer.join();
}

TEST(WriteFileWhole, ErrorsNameThePathAndTheReason) {
  const TemporaryFolder folder;
  folder.write("file", "x");
  const auto write = [](const std::filesystem::path& path) {
    return error_of([&] { write_file_whole(path, std::string_view("x")); });
  };
  EXPECT_EQ(write(folder / "absent/image.png"),
            "io_failure: " + (folder / "absent/image.png").string() + ": cannot be written: No such file or directory");
  EXPECT_THAT(write(folder / "file/image.png"), EndsWith("cannot be written: Not a directory"));
  std::filesystem::create_directory(folder / "taken");
  EXPECT_THAT(write(folder / "taken"), EndsWith("cannot be written: Is a directory"));
  EXPECT_THAT(folder.names(), ::testing::UnorderedElementsAre("file", "taken"));  // nothing is left behind
}

TEST(WriteFileWholeDeathTest, KeepsTheOldFileWhenThereIsNoRoom) {
  const TemporaryFolder folder;
  write_file_whole(folder / "image.png", std::string_view("old"));
  const auto write_under_limit = [&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit { 4096, 4096 };
    ::setrlimit(RLIMIT_FSIZE, &limit);
    exit_with_error_of([&] { write_file_whole(folder / "image.png", std::string(100'000, 'n')); });
  };
  EXPECT_EXIT(write_under_limit(), ExitedWithCode(0), "io_failure: .*image.png: cannot be written: File too large");
  EXPECT_EQ(read_text_file(folder / "image.png", kLimit), "old");
  EXPECT_THAT(folder.names(), ElementsAre("image.png"));
}

TEST(FileWriter, TheFileAppearsAtTheEndAndInPieces) {
  const TemporaryFolder folder;
  folder.write("model.gguf", "old");
  {
    FileWriter writer(folder / "model.gguf", 6);
    writer.write(std::as_bytes(std::span("abc", 3)));
    EXPECT_EQ(read_text_file(folder / "model.gguf", kLimit), "old");
    writer.write(std::as_bytes(std::span("def", 3)));
    writer.finish();
  }
  EXPECT_EQ(read_text_file(folder / "model.gguf", kLimit), "abcdef");
  EXPECT_THAT(folder.names(), ElementsAre("model.gguf"));
}

TEST(FileWriter, UnfinishedLeavesNothing) {
  const TemporaryFolder folder;
  folder.write("model.gguf", "old");
  { FileWriter(folder / "model.gguf", 100).write(std::as_bytes(std::span("abc", 3))); }
  EXPECT_EQ(read_text_file(folder / "model.gguf", kLimit), "old");
  EXPECT_THAT(folder.names(), ElementsAre("model.gguf"));
}

TEST(WriteFileWholeDeathTest, FullDiskIsReportedWithTheCure) {
  const TemporaryFolder folder;
  const auto write_to_full_disk = [&] {
    constexpr int kNoMounts = 77;  // not allowed here, in a container for example
    if (::unshare(::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0) std::_Exit(kNoMounts);
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) std::_Exit(kNoMounts);
    if (::mount("none", folder.path().c_str(), "tmpfs", 0, "size=65536") != 0) std::_Exit(kNoMounts);
    exit_with_error_of([&] {
      try {
        write_file_whole(folder / "image.png", std::string(200'000, 'n'));
      } catch (const Error&) {
        if (!folder.names().empty()) std::_Exit(1);
        throw;
      }
    });
  };
  const auto finished_or_impossible = [](int status) {
    return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
  };
  EXPECT_EXIT(write_to_full_disk(), finished_or_impossible,
              "^$|image.png: cannot be written: No space left on device; free some space or choose another directory");
}

// Runs as a user without rights, also where the tests run as root.
template <typename Action>
[[noreturn]] void exit_with_error_as_nobody(Action action) {
  constexpr unsigned kNobody = 65534;
  if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) {
    std::_Exit(2);
  }
  exit_with_error_of(action);
}

TEST(WriteFileWholeDeathTest, MissingPermissionIsReported) {
  const TemporaryFolder folder;
  ::chmod(folder.path().c_str(), 0555);
  EXPECT_EXIT(exit_with_error_as_nobody([&] { write_file_whole(folder / "image.png", std::string_view("x")); }),
              ExitedWithCode(0), "io_failure: .*image.png: cannot be written: Permission denied");
  EXPECT_EXIT(exit_with_error_as_nobody([&] { require_writable_directory(folder.path()); }), ExitedWithCode(0),
              "nothing can be written there: Permission denied; choose another with --outdir");
  EXPECT_EXIT(exit_with_error_as_nobody([&] { require_writable_directory(folder / "outputs"); }), ExitedWithCode(0),
              "outputs: the output directory cannot be created: Permission denied");
  ::chmod(folder.path().c_str(), 0755);
}

TEST(DirectoryLock, OneHolderAtATime) {
  const TemporaryFolder folder;
  std::atomic<int> holders = 0;
  std::atomic<int> most = 0;
  const auto take_turns = [&] {
    for (int i = 0; i < 100; ++i) {
      const DirectoryLock lock(folder.path());
      most = std::max(most.load(), ++holders);
      std::this_thread::yield();
      --holders;
    }
  };
  std::thread other(take_turns);
  take_turns();
  other.join();
  EXPECT_EQ(most, 1);
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(DirectoryLock, AMissingDirectoryIsReported) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { const DirectoryLock lock(folder / "absent"); }),
            "io_failure: " + (folder / "absent").string() + ": cannot be opened: No such file or directory");
}

TEST(RequireWritableDirectory, CreatesParentsAndLeavesNothing) {
  const TemporaryFolder folder;
  require_writable_directory(folder / "outputs/txt2img");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "outputs/txt2img"));
  EXPECT_TRUE(std::filesystem::is_empty(folder / "outputs/txt2img"));
  require_writable_directory(folder / "outputs/txt2img");  // twice does no harm
}

TEST(RequireWritableDirectory, AFileInTheWayIsReported) {
  const TemporaryFolder folder;
  folder.write("outputs", "a file");
  EXPECT_THAT(error_of([&] { require_writable_directory(folder / "outputs/txt2img"); }),
              HasSubstr("the output directory cannot be created: Not a directory"));
  EXPECT_THAT(error_of([&] { require_writable_directory(folder / "outputs"); }), HasSubstr("outputs: "));
}

}  // namespace
}  // namespace easel
