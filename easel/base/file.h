// Files: mapping for reading, and writing that appears whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

// A whole file mapped read-only. The bytes stay valid as long as the object lives, even if the file is unlinked.
class MappedFile {
 public:
  // Throws Error not_found or io_failure, naming the path. An empty file maps to an empty span.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::string& name() const { return name_; }
  uint64_t size() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return bytes_; }

  // Gives the physical pages of `range` back, and what the system read around it; reading it again reads the file
  // again.
  void release_pages(std::span<const std::byte> range) const;

 private:
  MappedFile(std::string name, std::span<const std::byte> bytes) : name_(std::move(name)), bytes_(bytes) {}

  std::string name_;
  std::span<const std::byte> bytes_;
};

// Throws Error not_found, io_failure, or invalid_request if the file is larger than `limit_bytes`.
std::vector<std::byte> read_file(const std::filesystem::path& path, uint64_t limit_bytes);
std::string read_text_file(const std::filesystem::path& path, uint64_t limit_bytes);

// Writes aside, flushes to disk, then renames: `path` holds either its old content or all of `bytes`.
// Throws Error io_failure with the reason (full disk, permissions); nothing is left behind then.
void write_file_whole(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file_whole(const std::filesystem::path& path, std::string_view text);

// The same for a large file, piece by piece. Until finish() nothing is at `path` but what was there before.
class FileWriter {
 public:
  // `bytes`: the size that the file will have, for which space is reserved at once. Throws Error io_failure.
  FileWriter(const std::filesystem::path& path, uint64_t bytes);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter();  // without finish() nothing is left behind

  void write(std::span<const std::byte> bytes);
  void finish();  // flushes to disk and renames

 private:
  std::filesystem::path path_;
  std::filesystem::path part_;  // empty once it is renamed
  int descriptor_;
};

// While it lives, other processes and threads that want the same lock wait: for choosing a free name and taking it.
// Where the file system knows no locks there is none.
class DirectoryLock {
 public:
  // Throws Error io_failure if the directory cannot be opened.
  explicit DirectoryLock(const std::filesystem::path& directory);
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  ~DirectoryLock();

 private:
  int descriptor_;
};

// Creates `directory` and its parents and proves that a file can be written there; throws Error io_failure otherwise.
void require_writable_directory(const std::filesystem::path& directory);

}  // namespace easel
