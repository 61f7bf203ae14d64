#include "easel/checkpoint/tiny_vae_file.h"

#include <fmt/format.h>

#include <array>

namespace easel {
namespace {

using Prefixes = std::array<std::string_view, 4>;
constexpr Prefixes kDecoders = {"decoder.layers", "taesd_decoder", "decoder", ""};
constexpr Prefixes kEncoders = {"encoder.layers", "taesd_encoder", "encoder", ""};

bool has(const Checkpoint& checkpoint, std::string_view prefix, std::string_view name) {
  const std::string full = prefix.empty() ? std::string(name) : fmt::format("{}.{}", prefix, name);
  return checkpoint.find(full) != nullptr;
}

// A convolution, a ReLU, blocks; before them a clamp in the original numbering.
bool is_decoder(const Checkpoint& checkpoint, std::string_view prefix) {
  return (has(checkpoint, prefix, "0.weight") && has(checkpoint, prefix, "2.conv.4.weight")) ||
         (has(checkpoint, prefix, "1.weight") && has(checkpoint, prefix, "3.conv.4.weight"));
}

// A convolution, a block, a convolution that halves the size.
bool is_encoder(const Checkpoint& checkpoint, std::string_view prefix) {
  return has(checkpoint, prefix, "0.weight") && has(checkpoint, prefix, "1.conv.4.weight") &&
         has(checkpoint, prefix, "2.weight");
}

template <typename Is>
std::optional<std::string> first_prefix(const Checkpoint& checkpoint, const Prefixes& prefixes, const Is& is) {
  for (const std::string_view prefix : prefixes) {
    if (is(checkpoint, prefix)) return std::string(prefix);
  }
  return std::nullopt;
}

}  // namespace

std::optional<TinyVaeLayout> tiny_vae_layout(const Checkpoint& checkpoint) {
  TinyVaeLayout layout{.decoder = first_prefix(checkpoint, kDecoders, is_decoder),
                       .encoder = first_prefix(checkpoint, kEncoders, is_encoder)};
  if (!layout.decoder && !layout.encoder) return std::nullopt;
  return layout;
}

}  // namespace easel
