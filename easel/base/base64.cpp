#include "easel/base/base64.h"

#include <nettle/base64.h>

namespace easel {

std::string to_base64(std::span<const std::byte> bytes) {
  std::string text(BASE64_ENCODE_RAW_LENGTH(bytes.size()), '\0');
  base64_encode_raw(text.data(), bytes.size(), reinterpret_cast<const uint8_t*>(bytes.data()));
  return text;
}

std::optional<std::vector<std::byte>> from_base64(std::string_view text) {
  while (!text.empty() && (text.back() == '=' || text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  std::vector<std::byte> bytes(BASE64_DECODE_LENGTH(text.size()));
  auto* out = reinterpret_cast<uint8_t*>(bytes.data());
  base64_decode_ctx state;
  base64_decode_init(&state);
  size_t count = 0;
  if (!base64_decode_update(&state, &count, out, text.size(), text.data())) return std::nullopt;
  // What is left of an unpadded group: 0, 2 or 4 bits, all zero.
  const bool complete = state.bits < 6 && (state.word & ((1u << state.bits) - 1u)) == 0;
  if (!complete) return std::nullopt;
  bytes.resize(count);
  return bytes;
}

}  // namespace easel
