// ControlNets for sd1-tiny and sd2-tiny of tests/golden/models.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "easel/checkpoint/checkpoint.h"
#include "tests/support/golden.h"

namespace easel::testing {

struct ControlCase {
  const char* golden;
  const char* model;
  int64_t res_blocks;
};
constexpr ControlCase kSd1Control{"control/sd1-tiny", "models/sd1-tiny.ckpt", 2};
constexpr ControlCase kSd2Control{"control/sd2-tiny", "models/sd2-tiny.safetensors", 1};

// The first half of the model's UNet, copied, with the hint encoder and zero convolutions of the golden file; `name`
// gives each tensor its name.
template <typename Name>
std::shared_ptr<const Checkpoint> control_file(const Name& name, const ControlCase& of = kSd1Control) {
  std::vector<WeightData> tensors;
  const auto add = [&](WeightData tensor, const std::string& as) {
    tensor.name = name(as);
    tensors.push_back(std::move(tensor));
  };
  constexpr std::string_view kUnet = "model.diffusion_model.";
  const auto model = Checkpoint::open(golden_path(of.model));
  for (const WeightData& tensor : model->tensors()) {
    if (!tensor.name.starts_with(kUnet)) continue;
    const std::string below = tensor.name.substr(kUnet.size());
    if (!below.starts_with("out")) add(tensor, below);
  }
  const auto own = Checkpoint::open(golden_path(std::string(of.golden) + ".safetensors"));
  for (const WeightData& tensor : own->tensors()) {
    const std::string& n = tensor.name;
    if (n.starts_with("input_hint") || n.starts_with("zero_") || n.starts_with("middle_block_out")) add(tensor, n);
  }
  return Checkpoint::from_tensors("control", std::move(tensors));
}

inline std::string original_name(const std::string& name) { return "control_model." + name; }

}  // namespace easel::testing
