#include "easel/base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {
namespace {

std::string reason(int error_number) { return std::generic_category().message(error_number); }

// A POSIX file descriptor, closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Descriptor open_for_reading(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe without a writer must not block
  if (fd < 0) {
    throw Error(errno == ENOENT ? ErrorCode::not_found : ErrorCode::io_failure, "{}: cannot be opened: {}",
                path.string(), reason(errno));
  }
  return Descriptor(fd);
}

uint64_t regular_file_size(const Descriptor& file, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    throw Error(ErrorCode::io_failure, "{}: cannot be examined: {}", path.string(), reason(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::io_failure, "{}: is {}, expected a regular file", path.string(),
                S_ISDIR(status.st_mode) ? "a directory" : "a device, pipe or socket");
  }
  return static_cast<uint64_t>(status.st_size);
}

[[noreturn]] void fail_to_write(const std::filesystem::path& path, int error_number) {
  throw Error(ErrorCode::io_failure, "{}: cannot be written: {}{}", path.string(), reason(error_number),
              error_number == ENOSPC ? "; free some space or choose another directory" : "");
}

void write_all(int file, std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_to_write(path, errno);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

// A name in the directory of `path`, so that the rename is atomic; unique within and across processes. It does not
// contain the file's own name, which may already be as long as a name can be.
std::filesystem::path aside(const std::filesystem::path& path) {
  static std::atomic<uint64_t> counter{0};
  return path.parent_path() / fmt::format(".easel.{}.{}.part", ::getpid(), counter++);
}

// Flushes to disk and gives the file its name.
void put_in_place(int file, const std::filesystem::path& part, const std::filesystem::path& path) {
  if (::fsync(file) != 0 || ::rename(part.c_str(), path.c_str()) != 0) fail_to_write(path, errno);
}

// A new file at aside(path), which is returned in `part`; one that a killed process left behind is passed over.
int create_aside(const std::filesystem::path& path, std::filesystem::path& part) {
  int fd;
  do {
    part = aside(path);
    fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EEXIST);
  return fd;
}

// Linux maps the pages around one that is touched, in blocks of this size.
constexpr uintptr_t kReadAroundBytes = 64 << 10;

// The blocks that `range` lies in, as far as they are part of the mapping `all`, which begins at a page.
std::span<const std::byte> blocks_around(std::span<const std::byte> range, std::span<const std::byte> all) {
  if (range.empty()) return {};
  const auto first = reinterpret_cast<uintptr_t>(range.data());
  const uintptr_t last = first + range.size();
  const auto all_begin = reinterpret_cast<uintptr_t>(all.data());
  const uintptr_t begin = std::max(all_begin, first / kReadAroundBytes * kReadAroundBytes);
  const uintptr_t end =
      std::min(all_begin + all.size(), (last + kReadAroundBytes - 1) / kReadAroundBytes * kReadAroundBytes);
  return all.subspan(begin - all_begin, end - begin);
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Descriptor file = open_for_reading(path);
  const uint64_t size = regular_file_size(file, path);
  std::span<const std::byte> bytes;
  if (size > 0) {
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (address == MAP_FAILED) {
      throw Error(ErrorCode::io_failure, "{}: cannot be mapped ({} bytes): {}", path.string(), size, reason(errno));
    }
    bytes = {static_cast<const std::byte*>(address), size};
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path.string(), bytes));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::release_pages(std::span<const std::byte> range) const {
  const auto pages = blocks_around(range, bytes_);
  if (!pages.empty()) ::madvise(const_cast<std::byte*>(pages.data()), pages.size(), MADV_DONTNEED);
}

std::vector<std::byte> read_file(const std::filesystem::path& path, uint64_t limit_bytes) {
  const Descriptor file = open_for_reading(path);
  const uint64_t size = regular_file_size(file, path);
  if (size > limit_bytes) {
    throw Error(ErrorCode::invalid_request, "{}: has {} bytes, expected at most {}", path.string(), size, limit_bytes);
  }
  std::vector<std::byte> bytes(size);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(ErrorCode::io_failure, "{}: cannot be read: {}", path.string(), reason(errno));
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

std::string read_text_file(const std::filesystem::path& path, uint64_t limit_bytes) {
  const std::vector<std::byte> bytes = read_file(path, limit_bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_file_whole(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::filesystem::path part;
  const Descriptor file(create_aside(path, part));
  if (file.get() < 0) fail_to_write(path, errno);
  try {
    write_all(file.get(), bytes, path);
    put_in_place(file.get(), part, path);
  } catch (...) {
    ::unlink(part.c_str());
    throw;
  }
}

void write_file_whole(const std::filesystem::path& path, std::string_view text) {
  write_file_whole(path, std::as_bytes(std::span(text)));
}

FileWriter::FileWriter(const std::filesystem::path& path, uint64_t bytes)
    : path_(path), descriptor_(create_aside(path, part_)) {
  if (descriptor_ < 0) fail_to_write(path, errno);
  // A full disk is found now, not after minutes; file systems that cannot reserve find it later.
  if (bytes > 0 && ::fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes)) != 0 && errno == ENOSPC) {
    ::close(descriptor_);
    ::unlink(part_.c_str());
    throw Error(ErrorCode::io_failure,
                "{}: needs {}, for which the disk has no space; free some space or choose another directory",
                path.string(), format_bytes(bytes));
  }
}

FileWriter::~FileWriter() {
  ::close(descriptor_);
  if (!part_.empty()) ::unlink(part_.c_str());
}

void FileWriter::write(std::span<const std::byte> bytes) { write_all(descriptor_, bytes, path_); }

void FileWriter::finish() {
  put_in_place(descriptor_, part_, path_);
  part_.clear();
}

DirectoryLock::DirectoryLock(const std::filesystem::path& directory)
    : descriptor_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0) {
    throw Error(ErrorCode::io_failure, "{}: cannot be opened: {}", directory.string(), reason(errno));
  }
  while (::flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {
  }
}

DirectoryLock::~DirectoryLock() { ::close(descriptor_); }

void require_writable_directory(const std::filesystem::path& directory) {
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) {
    throw Error(ErrorCode::io_failure, "{}: the output directory cannot be created: {}", directory.string(),
                failure.message());
  }
  std::filesystem::path probe;
  const Descriptor file(create_aside(directory / "probe", probe));
  if (file.get() < 0) {
    throw Error(ErrorCode::io_failure, "{}: nothing can be written there: {}; choose another with --outdir",
                directory.string(), reason(errno));
  }
  ::unlink(probe.c_str());
}

}  // namespace easel
