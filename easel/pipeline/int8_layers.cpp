#include "easel/pipeline/int8_layers.h"

#include <algorithm>

namespace easel {
namespace {

constexpr std::string_view kUnet = "model.diffusion_model.";

// Kept in f32: the first and the last convolution, which see and make the latent itself; what is computed from the
// timestep and the prompt, which is little work; and the shortcuts around res blocks, which see sums that no
// normalisation has brought to one range: alone they would make nine tenths of the error (bench/int8_error).
constexpr std::string_view kExact[] = {"input_blocks.0.", "out.",         "time_embed.",  "label_emb.",
                                       ".emb_layers.",    ".attn2.to_k.", ".attn2.to_v.", ".skip_connection."};

}  // namespace

bool allows_int8(std::string_view weight) {
  if (!weight.starts_with(kUnet)) return false;
  const std::string_view layer = weight.substr(kUnet.size());
  return std::ranges::none_of(kExact, [&](std::string_view exact) {
    return exact.front() == '.' ? layer.find(exact) != std::string_view::npos : layer.starts_with(exact);
  });
}

}  // namespace easel
