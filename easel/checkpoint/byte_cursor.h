// Reads little-endian numbers and runs of bytes from an untrusted file, never past its end.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "easel/base/error.h"
#include "easel/checkpoint/contents.h"

namespace easel {

static_assert(std::endian::native == std::endian::little, "checkpoints are read in place, as little-endian");

class ByteCursor {
 public:
  // `what` names the part of the file in messages: "the zip directory".
  ByteCursor(const Source& source, std::string_view what, uint64_t begin, uint64_t end)
      : source_(source), what_(what), position_(begin), end_(end) {
    EASEL_ASSERT(begin <= end && end <= source.bytes.size());
  }

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return end_ - position_; }

  template <typename T>
  T take() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, take_bytes(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::span<const std::byte> take_bytes(uint64_t count) {
    if (count > remaining()) {
      throw Error(ErrorCode::bad_checkpoint, "{}: {} is cut short: {} bytes are wanted at byte {} and {} follow",
                  source_.name, what_, count, position_, remaining());
    }
    const auto bytes = source_.bytes.subspan(position_, count);
    position_ += count;
    return bytes;
  }

  std::string_view take_text(uint64_t count) {
    const auto bytes = take_bytes(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // Up to the next newline, which is consumed; nothing if there is none within `limit` bytes.
  std::optional<std::string_view> take_line(uint64_t limit) {
    const auto rest = source_.bytes.subspan(position_, std::min(limit, remaining()));
    const std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
    const size_t newline = text.find('\n');
    if (newline == std::string_view::npos) return std::nullopt;
    position_ += newline + 1;
    return text.substr(0, newline);
  }

 private:
  const Source& source_;
  std::string_view what_;
  uint64_t position_;
  uint64_t end_;
};

}  // namespace easel
