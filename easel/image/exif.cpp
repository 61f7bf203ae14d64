#include "easel/image/exif.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "easel/base/text.h"
#include "easel/image/text_encoding.h"

namespace easel {
namespace {

using namespace std::string_view_literals;

constexpr uint32_t kTagImageDescription = 0x010E;
constexpr uint32_t kTagOrientation = 0x0112;
constexpr uint32_t kTagExifDirectory = 0x8769;
constexpr uint32_t kTagUserComment = 0x9286;
constexpr uint32_t kTypeShort = 3;
constexpr uint32_t kTypeLong = 4;
constexpr uint32_t kTypeUndefined = 7;
constexpr size_t kEntryBytes = 12;
constexpr auto kJpegHeader = "Exif\0\0"sv;
constexpr size_t kCharsetBytes = 8;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// One directory entry: a tag and its value, at most 4 bytes of it in place.
struct Entry {
  uint32_t tag;
  uint32_t type;
  uint32_t count;
  size_t value_at;  // where the 4 bytes lie
};

// A TIFF structure. Reads beyond its end give 0 and empty spans.
class Tiff {
 public:
  static std::optional<Tiff> open(std::span<const std::byte> bytes) {
    if (text_of(bytes).starts_with(kJpegHeader)) bytes = bytes.subspan(kJpegHeader.size());
    if (text_of(bytes).starts_with("II*\0"sv)) return Tiff(bytes, ByteOrder::little);
    if (text_of(bytes).starts_with("MM\0*"sv)) return Tiff(bytes, ByteOrder::big);
    return std::nullopt;
  }

  ByteOrder order() const { return order_; }
  size_t first_directory() const { return number(4, 4); }

  std::vector<Entry> directory(size_t at) const {
    std::vector<Entry> entries;
    const uint32_t count = number(at, 2);
    for (uint32_t i = 0; i < count; ++i) {
      const size_t entry = at + 2 + i * kEntryBytes;
      if (entry + kEntryBytes > bytes_.size()) break;
      entries.push_back({number(entry, 2), number(entry + 2, 2), number(entry + 4, 4), entry + 8});
    }
    return entries;
  }

  uint32_t integer(const Entry& entry) const {
    return entry.type == kTypeShort ? number(entry.value_at, 2) : number(entry.value_at, 4);
  }

  // The value of an entry of single bytes.
  std::span<const std::byte> value(const Entry& entry) const {
    const size_t at = entry.count <= 4 ? entry.value_at : number(entry.value_at, 4);
    if (at > bytes_.size() || entry.count > bytes_.size() - at) return {};
    return bytes_.subspan(at, entry.count);
  }

 private:
  Tiff(std::span<const std::byte> bytes, ByteOrder order) : bytes_(bytes), order_(order) {}

  uint32_t number(size_t at, size_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      value = value << 8 | std::to_integer<uint32_t>(bytes_[order_ == ByteOrder::big ? at + i : at + count - 1 - i]);
    }
    return value;
  }

  std::span<const std::byte> bytes_;
  ByteOrder order_;
};

// Programs disagree about the byte order: the one in which more characters are in the Latin-1 range, else big-endian.
ByteOrder likely_order(std::span<const std::byte> utf16) {
  size_t zeros_first = 0;
  size_t zeros_second = 0;
  for (size_t i = 0; i + 1 < utf16.size(); i += 2) {
    zeros_first += utf16[i] == std::byte{0} ? 1 : 0;
    zeros_second += utf16[i + 1] == std::byte{0} ? 1 : 0;
  }
  return zeros_second > zeros_first ? ByteOrder::little : ByteOrder::big;
}

// EXIF 2.3, 4.6.5: eight bytes name the encoding.
std::string decode_user_comment(std::span<const std::byte> value) {
  if (value.size() < kCharsetBytes) return {};
  const std::string_view charset = text_of(value.first(kCharsetBytes));
  const std::span<const std::byte> rest = value.subspan(kCharsetBytes);
  if (charset == "UNICODE\0"sv) return utf8_from_utf16(rest, likely_order(rest));
  std::string_view text = text_of(rest);
  text = text.substr(0, text.find('\0'));
  return is_utf8(text) ? std::string(text) : utf8_from_latin1(text);
}

std::string decode_ascii(std::span<const std::byte> value) {
  std::string_view text = text_of(value);
  text = text.substr(0, text.find('\0'));
  return is_utf8(text) ? std::string(text) : utf8_from_latin1(text);
}

void append_big_endian(std::string& out, uint32_t value, int count) {
  for (int i = count - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

void append_entry(std::string& out, uint32_t tag, uint32_t type, uint32_t count, uint32_t value) {
  append_big_endian(out, tag, 2);
  append_big_endian(out, type, 2);
  append_big_endian(out, count, 4);
  append_big_endian(out, value, 4);
}

}  // namespace

Exif parse_exif(std::span<const std::byte> bytes) {
  Exif exif;
  const std::optional<Tiff> tiff = Tiff::open(bytes);
  if (!tiff) return exif;
  for (const Entry& entry : tiff->directory(tiff->first_directory())) {
    if (entry.tag == kTagOrientation) {
      const uint32_t value = tiff->integer(entry);
      if (value >= 1 && value <= 8) exif.orientation = static_cast<int>(value);
    } else if (entry.tag == kTagImageDescription) {
      exif.image_description = decode_ascii(tiff->value(entry));
    } else if (entry.tag == kTagExifDirectory) {
      for (const Entry& inner : tiff->directory(tiff->integer(entry))) {
        if (inner.tag == kTagUserComment) exif.user_comment = decode_user_comment(tiff->value(inner));
      }
    }
  }
  return exif;
}

std::vector<std::byte> exif_with_comment(std::string_view comment, ExifHeader header) {
  const std::string value = std::string("UNICODE\0"sv) + utf16_from_utf8(comment, ByteOrder::big);
  constexpr uint32_t kDirectoryBytes = 2 + kEntryBytes + 4;  // of one entry
  constexpr uint32_t kFirst = 8;
  std::string out("MM\0*"sv);
  append_big_endian(out, kFirst, 4);
  append_big_endian(out, 1, 2);
  append_entry(out, kTagExifDirectory, kTypeLong, 1, kFirst + kDirectoryBytes);
  append_big_endian(out, 0, 4);  // no further directory
  append_big_endian(out, 1, 2);
  append_entry(out, kTagUserComment, kTypeUndefined, static_cast<uint32_t>(value.size()), kFirst + 2 * kDirectoryBytes);
  append_big_endian(out, 0, 4);
  out += value;
  if (header == ExifHeader::jpeg) out.insert(0, kJpegHeader);
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

}  // namespace easel
