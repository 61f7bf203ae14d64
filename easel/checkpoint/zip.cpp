#include "easel/checkpoint/zip.h"

#include <zlib.h>

#include <algorithm>

#include "easel/base/error.h"
#include "easel/checkpoint/byte_cursor.h"

// PKWARE appnote.txt 6.3.9; section numbers below are its.
namespace easel {
namespace {

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kDirectorySignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocator64Signature = 0x07064b50;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kLocator64Bytes = 20;
constexpr uint64_t kMaxCommentBytes = 0xFFFF;
constexpr uint16_t kZip64Field = 0x0001;
constexpr uint16_t kEncrypted = 1;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
constexpr uint64_t kMaxEntries = 3 * kMaxTensors;
constexpr uint64_t kMaxDeflateRatio = 1032;  // zlib's theoretical maximum

[[noreturn]] void refuse_directory(const Source& source) {
  throw Error(ErrorCode::bad_checkpoint, "{}: the zip directory is damaged; download the file again", source.name);
}

// Numbers that do not fit 32 bits stand in an extra field, in this order, only those that are 0xFFFFFFFF (4.5.3).
void read_zip64(const Source& source, std::string_view extra, ZipEntry& entry) {
  const auto wide = [](uint64_t value) { return value == 0xFFFFFFFF; };
  if (!wide(entry.bytes) && !wide(entry.compressed_bytes) && !wide(entry.local_header)) return;
  const Source field_source{.name = source.name, .bytes = std::as_bytes(std::span(extra)), .owner = nullptr};
  ByteCursor fields(field_source, "an extra field of the zip directory", 0, extra.size());
  while (fields.remaining() >= 4) {
    const auto id = fields.take<uint16_t>();
    const auto field_bytes = fields.take<uint16_t>();
    if (id == kZip64Field) {
      for (uint64_t* number : {&entry.bytes, &entry.compressed_bytes, &entry.local_header}) {
        if (wide(*number)) *number = fields.take<uint64_t>();
      }
      return;
    }
    fields.take_bytes(field_bytes);
  }
  refuse_directory(source);
}

}  // namespace

ZipArchive::ZipArchive(const Source& source) : source_(source) { read_entries(find_directory()); }

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto at = entries_.find(name);
  return at == entries_.end() ? nullptr : &at->second;
}

// The end record is the last thing in the file but for a comment (4.3.16).
uint64_t ZipArchive::find_end_record() const {
  const uint64_t size = source_.bytes.size();
  const uint64_t first = size < kEndBytes + kMaxCommentBytes ? 0 : size - kEndBytes - kMaxCommentBytes;
  for (uint64_t at = size < kEndBytes ? 0 : size - kEndBytes + 1; at-- > first;) {
    ByteCursor cursor(source_, "the zip end record", at, size);
    if (cursor.take<uint32_t>() != kEndSignature) continue;
    cursor.take_bytes(kEndBytes - sizeof(uint32_t) - sizeof(uint16_t));
    if (cursor.take<uint16_t>() == cursor.remaining()) return at;
  }
  throw Error(ErrorCode::bad_checkpoint,
              "{}: the zip directory at its end is missing: the file has {} bytes but was cut short; download it again",
              source_.name, size);
}

ZipArchive::Directory ZipArchive::find_directory() const {
  const uint64_t end_at = find_end_record();
  ByteCursor end(source_, "the zip end record", end_at + 4, source_.bytes.size());
  const auto disk = end.take<uint16_t>();
  const auto directory_disk = end.take<uint16_t>();
  end.take_bytes(sizeof(uint16_t));
  Directory directory{};
  directory.entry_count = end.take<uint16_t>();
  directory.bytes = end.take<uint32_t>();
  directory.begin = end.take<uint32_t>();
  uint64_t limit = end_at;
  const bool wide = directory.entry_count == 0xFFFF || directory.bytes == 0xFFFFFFFF || directory.begin == 0xFFFFFFFF;
  if (wide) {
    if (end_at < kLocator64Bytes) refuse_directory(source_);
    ByteCursor locator(source_, "the zip64 locator", end_at - kLocator64Bytes, end_at);
    if (locator.take<uint32_t>() != kLocator64Signature) refuse_directory(source_);
    locator.take_bytes(sizeof(uint32_t));
    const auto end64_at = locator.take<uint64_t>();
    if (end64_at > end_at - kLocator64Bytes) refuse_directory(source_);
    ByteCursor end64(source_, "the zip64 end record", end64_at, end_at);
    if (end64.take<uint32_t>() != kEnd64Signature) refuse_directory(source_);
    end64.take_bytes(8 + 2 + 2 + 4 + 4 + 8);  // size, versions, disks, entries on this disk
    directory.entry_count = end64.take<uint64_t>();
    directory.bytes = end64.take<uint64_t>();
    directory.begin = end64.take<uint64_t>();
    limit = end64_at;
  } else if (disk != 0 || directory_disk != 0) {
    throw Error(ErrorCode::bad_checkpoint, "{}: is one part of a split zip archive; join the parts first",
                source_.name);
  }
  if (directory.begin > limit || directory.bytes > limit - directory.begin) refuse_directory(source_);
  if (directory.entry_count > kMaxEntries) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the zip directory claims {} entries, expected at most {}", source_.name,
                directory.entry_count, kMaxEntries);
  }
  return directory;
}

void ZipArchive::read_entries(const Directory& directory) {
  directory_begin_ = directory.begin;
  ByteCursor cursor(source_, "the zip directory", directory.begin, directory.begin + directory.bytes);
  uint64_t compressed_bytes = 0;
  for (uint64_t i = 0; i < directory.entry_count; ++i) {
    if (cursor.take<uint32_t>() != kDirectorySignature) refuse_directory(source_);
    cursor.take_bytes(2 + 2);  // versions
    ZipEntry entry{};
    const auto flags = cursor.take<uint16_t>();
    const auto method = cursor.take<uint16_t>();
    cursor.take_bytes(2 + 2);  // time, date
    entry.crc32 = cursor.take<uint32_t>();
    entry.compressed_bytes = cursor.take<uint32_t>();
    entry.bytes = cursor.take<uint32_t>();
    const auto name_bytes = cursor.take<uint16_t>();
    const auto extra_bytes = cursor.take<uint16_t>();
    const auto comment_bytes = cursor.take<uint16_t>();
    cursor.take_bytes(2 + 2 + 4);  // disk, attributes
    entry.local_header = cursor.take<uint32_t>();
    entry.name = cursor.take_text(name_bytes);
    read_zip64(source_, cursor.take_text(extra_bytes), entry);
    cursor.take_bytes(comment_bytes);
    add_entry(entry, flags, method);
    // Entries that overlap are how a zip bomb multiplies its size (Fifield 2019).
    if (__builtin_add_overflow(compressed_bytes, entry.compressed_bytes, &compressed_bytes) ||
        compressed_bytes > directory_begin_) {
      throw Error(ErrorCode::bad_checkpoint, "{}: the zip entries claim more bytes than the file has", source_.name);
    }
  }
}

void ZipArchive::add_entry(ZipEntry entry, uint16_t flags, uint16_t method) {
  if ((flags & kEncrypted) != 0) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the zip entry {} is encrypted", source_.name, in_quotes(entry.name));
  }
  if (method != kStored && method != kDeflated) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the zip entry {} is packed with method {}; expected stored or deflated",
                source_.name, in_quotes(entry.name), method);
  }
  entry.deflated = method == kDeflated;
  if (entry.local_header > directory_begin_ || (entry.deflated ? entry.bytes / kMaxDeflateRatio > entry.compressed_bytes
                                                               : entry.bytes != entry.compressed_bytes)) {
    refuse_directory(source_);
  }
  if (!entries_.emplace(entry.name, entry).second) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the zip entry {} appears twice", source_.name, in_quotes(entry.name));
  }
}

std::span<const std::byte> ZipArchive::stored_bytes(const ZipEntry& entry) const {
  ByteCursor cursor(source_, "a zip entry", entry.local_header, directory_begin_);
  if (cursor.take<uint32_t>() != kLocalSignature) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the zip entry {} is not where the directory says; is the file damaged?",
                source_.name, in_quotes(entry.name));
  }
  cursor.take_bytes(2 + 2 + 2 + 2 + 2 + 4 + 4 + 4);  // what the directory says too
  const auto name_bytes = cursor.take<uint16_t>();
  const auto extra_bytes = cursor.take<uint16_t>();
  cursor.take_bytes(uint64_t{name_bytes} + extra_bytes);
  return cursor.take_bytes(entry.compressed_bytes);
}

std::vector<std::byte> ZipArchive::inflate(const ZipEntry& entry, uint64_t limit_bytes) const {
  const auto packed = stored_bytes(entry);
  if (entry.bytes > limit_bytes) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: the packed zip entry {} unpacks to {} bytes; easel allows {} more; save the checkpoint again as "
                ".safetensors",
                source_.name, in_quotes(entry.name), entry.bytes, limit_bytes);
  }
  std::vector<std::byte> out(entry.bytes);
  out.reserve(1);  // zlib wants an address even for no bytes
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    throw Error(ErrorCode::out_of_memory, "{}: no memory to unpack the zip entries", source_.name);
  }
  uint64_t consumed = 0;
  uint64_t produced = 0;
  int status = Z_OK;
  while (status == Z_OK) {  // zlib counts in 32 bits
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data() + consumed));
    stream.avail_in = static_cast<uInt>(std::min<uint64_t>(packed.size() - consumed, 1u << 30));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + produced);
    stream.avail_out = static_cast<uInt>(std::min<uint64_t>(out.size() - produced, 1u << 30));
    const uInt in_before = stream.avail_in;
    const uInt out_before = stream.avail_out;
    status = ::inflate(&stream, Z_NO_FLUSH);
    consumed += in_before - stream.avail_in;
    produced += out_before - stream.avail_out;
  }
  inflateEnd(&stream);
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(out.data()), out.size());
  if (status != Z_STREAM_END || produced != out.size() || crc != entry.crc32) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the packed zip entry {} is damaged; download the file again",
                source_.name, in_quotes(entry.name));
  }
  return out;
}

}  // namespace easel
