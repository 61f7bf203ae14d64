// The depth of a picture, from a checkpoint's depth network or a person's own map. Private to easel/pipeline.
#pragma once

#include <cstdint>

#include "easel/checkpoint/weights.h"
#include "easel/depth/depth_network.h"
#include "easel/image/grey16.h"
#include "easel/image/image.h"

namespace easel {

bool has_depth_network(const Checkpoint& checkpoint);
// What the tensors of `checkpoint`'s depth network take in the file.
uint64_t depth_weight_bytes(const Checkpoint& checkpoint);

// The part of `weights`, the root of `checkpoint`, that DepthNetwork reads. Throws Error bad_checkpoint that says what
// the file is, if it holds no depth network.
Weights depth_weights(const Weights& weights, const Checkpoint& checkpoint);

// -> relative inverse depth [1, height, width, 1] at the size of depth_input_size(). Throws Error bad_checkpoint if the
// network gives numbers that are not finite, and whatever `observe` throws.
Tensor estimate_depth(const DepthNetwork& network, const Image& image, const Device& device,
                      const BlockObserver& observe = {});

// The depth channel of a latent, -> [1, rows, columns, 1] from -1 (farthest) to 1 (nearest): of what the network sees
// in `image`, or of a map that is brighter where things are nearer.
Tensor depth_for_latent(const DepthNetwork& network, const Image& image, const Device& device, int64_t rows,
                        int64_t columns, const BlockObserver& observe = {});
Tensor depth_for_latent(const Grey16& map, const Device& device, int64_t rows, int64_t columns);

}  // namespace easel
