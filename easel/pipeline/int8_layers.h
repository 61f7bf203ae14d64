// Which layers compute with 8-bit integers under Precision::int8. Private to easel/pipeline.
#pragma once

#include <string_view>

namespace easel {

// weight: its name in the checkpoint ("model.diffusion_model.input_blocks.1.0.in_layers.2.weight").
bool allows_int8(std::string_view weight);

}  // namespace easel
