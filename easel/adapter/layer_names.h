// The names that the layers of a Stable Diffusion checkpoint have elsewhere: in the diffusers library and in what
// training tools make of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "easel/checkpoint/checkpoint.h"

namespace easel {

// "input_blocks.1.1.transformer_blocks.0.attn1.to_q" <-> "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q":
// layers of the input and middle blocks, and of the output blocks. `res_blocks` per level.
// Nothing for names that have no counterpart.
std::optional<std::string> diffusers_unet_name(std::string_view original, int64_t res_blocks);
std::optional<std::string> original_unet_name(std::string_view diffusers, int64_t res_blocks);

// Residual blocks per level of the UNet whose tensors' names begin with `prefix` ("model.diffusion_model."); 0 if there
// is none.
int64_t count_res_blocks(const Checkpoint& checkpoint, std::string_view prefix);

}  // namespace easel
