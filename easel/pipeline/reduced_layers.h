// Which layers compute with fewer bits under Precision::int8, fp8 and bf16. Private to easel/pipeline.
#pragma once

#include <optional>
#include <string_view>

#include "easel/backend/reduced_products.h"

namespace easel {

// weight: its name in the checkpoint ("model.diffusion_model.input_blocks.1.0.in_layers.2.weight").
bool allows_reduced(std::string_view weight);

// These numbers in the layers that allow them; nothing: f32 in all of them.
ReducedProducts reduced_products(std::optional<ReducedNumbers> numbers);

}  // namespace easel
