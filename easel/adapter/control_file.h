// ControlNet files: the original ones, and those of the diffusers library under the original names.
#pragma once

#include <memory>

#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/weights.h"

namespace easel {

// The network that ControlNet (easel/control) reads: "control_model" of an original file, or what stands for it. Throws
// Error bad_checkpoint if the file is none, and for tensors that have no place in one.
Weights control_weights(const std::shared_ptr<const Checkpoint>& file);

bool is_control_net(const Checkpoint& checkpoint);

// After ControlNet was made of `weights`: throws Error bad_checkpoint that names every tensor which is missing, of
// another shape, or of no use in such a network.
void require_control_fit(const Weights& weights);

}  // namespace easel
