// Where the tensors of a checkpoint that is to be written will lie: its header, and the zeros after each tensor.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "easel/checkpoint/checkpoint.h"

namespace easel {

struct PlannedTensor {
  std::string name;
  Shape shape;
  DType dtype;
  uint64_t bytes() const { return static_cast<uint64_t>(bytes_of(dtype, shape.count())); }
};

struct FileLayout {
  std::vector<std::byte> header;      // up to the first tensor
  std::vector<uint64_t> zeros_after;  // each tensor, in the order given
  uint64_t file_bytes = 0;
};

// No tensor may be quantised. Text that is not UTF-8 is replaced.
FileLayout safetensors_layout(std::span<const PlannedTensor> tensors,
                              const std::map<std::string, std::string>& metadata);

// GGUF version 3. Quantised tensors whose innermost dimension is no whole number of blocks (convolutions) are stored as
// [shape[0], the rest] with their true shape in the metadata. Throws Error invalid_request for types that it lacks.
FileLayout gguf_layout(std::span<const PlannedTensor> tensors, const std::map<std::string, std::string>& metadata);

}  // namespace easel
