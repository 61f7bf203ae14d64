#include "easel/pipeline/reduced_layers.h"

#include <algorithm>
#include <span>

namespace easel {
namespace {

constexpr std::string_view kUnet = "model.diffusion_model.";
constexpr std::string_view kDecoder = "first_stage_model.decoder.";

// Kept in f32: the first and the last convolution, which see and make the latent itself; what is computed from the
// timestep and the prompt, which is little work; and the shortcuts around res blocks, which see sums that no
// normalisation has brought to one range: alone they would make nine tenths of the error (bench/int8_error).
constexpr std::string_view kExact[] = {"input_blocks.0.", "out.",         "time_embed.",  "label_emb.",
                                       ".emb_layers.",    ".attn2.to_k.", ".attn2.to_v.", ".skip_connection."};

// Likewise, and what is too little work: the attention's layers.
constexpr std::string_view kExactInDecoder[] = {"conv_in.", "conv_out.", ".nin_shortcut.", ".attn_1."};

// exact: beginnings of names, or with a dot in front anything in them
bool is_one_of(std::string_view layer, std::span<const std::string_view> exact) {
  return std::ranges::any_of(exact, [&](std::string_view part) {
    return part.front() == '.' ? layer.find(part) != std::string_view::npos : layer.starts_with(part);
  });
}

}  // namespace

bool allows_reduced(std::string_view weight) {
  if (weight.starts_with(kUnet)) return !is_one_of(weight.substr(kUnet.size()), kExact);
  return weight.starts_with(kDecoder) && !is_one_of(weight.substr(kDecoder.size()), kExactInDecoder);
}

ReducedProducts reduced_products(std::optional<ReducedNumbers> numbers) {
  if (!numbers) return {};
  return {.numbers = *numbers, .allows = allows_reduced};
}

}  // namespace easel
