// LoRA files made for tests: a layer for each weight of a model, under the names of one tool or another.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "easel/adapter/layer_names.h"
#include "tests/support/checkpoint_writer.h"

namespace easel::testing {

enum class Naming { kohya, kohya_original, diffusers, peft, processor };

inline std::string underscored(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

// The pair of names of a UNet layer's two matrices; layer: "input_blocks.1.1.proj_in", in the original layout.
inline std::pair<std::string, std::string> unet_names(Naming naming, const std::string& layer) {
  const std::string diffusers = *diffusers_unet_name(layer, 2);
  switch (naming) {
    case Naming::kohya: {
      const std::string name = "lora_unet_" + underscored(diffusers);
      return {name + ".lora_down.weight", name + ".lora_up.weight"};
    }
    case Naming::kohya_original: {
      const std::string name = "lora_unet_" + underscored(layer);
      return {name + ".lora_down.weight", name + ".lora_up.weight"};
    }
    case Naming::diffusers: return {"unet." + diffusers + ".lora.down.weight", "unet." + diffusers + ".lora.up.weight"};
    case Naming::peft:
      return {"base_model.model." + diffusers + ".lora_A.weight", "base_model.model." + diffusers + ".lora_B.weight"};
    case Naming::processor: break;
  }
  const size_t part = diffusers.rfind(".to_");
  std::string projection = diffusers.substr(part + 1);
  if (projection == "to_out.0") projection = "to_out";
  const std::string name = diffusers.substr(0, part) + ".processor." + projection + "_lora";
  return {name + ".down.weight", name + ".up.weight"};
}

}  // namespace easel::testing
