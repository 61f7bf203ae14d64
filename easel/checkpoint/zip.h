// The zip container of a .ckpt file.
#pragma once

#include <map>
#include <optional>

#include "easel/checkpoint/contents.h"

namespace easel {

struct ZipEntry {
  std::string_view name;
  bool deflated;
  uint64_t compressed_bytes;
  uint64_t bytes;  // unpacked
  uint32_t crc32;
  uint64_t local_header;  // its place in the file
};

// The directory of a zip file; every number in it is checked against the file.
class ZipArchive {
 public:
  // Throws Error bad_checkpoint. `source` must outlive the archive.
  explicit ZipArchive(const Source& source);

  const std::map<std::string_view, ZipEntry>& entries() const { return entries_; }
  const ZipEntry* find(std::string_view name) const;  // nullptr if there is none

  // The bytes in the file, as stored there.
  std::span<const std::byte> stored_bytes(const ZipEntry& entry) const;
  // Unpacks a deflated entry; `limit_bytes` bounds the memory it may take.
  std::vector<std::byte> inflate(const ZipEntry& entry, uint64_t limit_bytes) const;

 private:
  struct Directory {
    uint64_t begin;
    uint64_t bytes;
    uint64_t entry_count;
  };
  uint64_t find_end_record() const;
  Directory find_directory() const;
  void add_entry(ZipEntry entry, uint16_t flags, uint16_t method);
  void read_entries(const Directory& directory);

  const Source& source_;
  uint64_t directory_begin_ = 0;
  std::map<std::string_view, ZipEntry> entries_;
};

}  // namespace easel
