// A ControlNet for tests/golden/models/sd1-tiny.ckpt.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "easel/checkpoint/checkpoint.h"
#include "tests/support/golden.h"

namespace easel::testing {

constexpr const char* kControlGolden = "control/sd1-tiny";

// The first half of sd1-tiny's UNet, copied, with the hint encoder and zero convolutions of the golden file; `name`
// gives each tensor its name.
template <typename Name>
std::shared_ptr<const Checkpoint> control_file(const Name& name) {
  std::vector<WeightData> tensors;
  const auto add = [&](WeightData tensor, const std::string& as) {
    tensor.name = name(as);
    tensors.push_back(std::move(tensor));
  };
  constexpr std::string_view kUnet = "model.diffusion_model.";
  const auto model = Checkpoint::open(golden_path("models/sd1-tiny.ckpt"));
  for (const WeightData& tensor : model->tensors()) {
    if (!tensor.name.starts_with(kUnet)) continue;
    const std::string below = tensor.name.substr(kUnet.size());
    if (!below.starts_with("out")) add(tensor, below);
  }
  const auto own = Checkpoint::open(golden_path(std::string(kControlGolden) + ".safetensors"));
  for (const WeightData& tensor : own->tensors()) {
    const std::string& n = tensor.name;
    if (n.starts_with("input_hint") || n.starts_with("zero_") || n.starts_with("middle_block_out")) add(tensor, n);
  }
  return Checkpoint::from_tensors("control", std::move(tensors));
}

inline std::string original_name(const std::string& name) { return "control_model." + name; }

}  // namespace easel::testing
