// Embeddings: vectors for numbers.
#pragma once

#include <span>

#include "easel/checkpoint/weights.h"
#include "easel/ops/ops.h"

namespace easel {

// A table of learned vectors.
class Embedding {
 public:
  explicit Embedding(Parameter table) : table_(std::move(table)) {}  // [rows, width]

  int64_t rows() const { return table_.shape().dim(0); }
  // ids [n, t] i32, each in [0, rows) -> [n, t, width]
  Tensor operator()(const Tensor& ids) const { return ops::embedding(ids, table_); }

 private:
  Parameter table_;
};

// Sinusoids of geometrically spaced frequencies (Vaswani et al. 2017, section 3.5), cosines first.
// Timesteps may be fractional. -> [timesteps, width]
Tensor timestep_embedding(const Device& device, std::span<const float> timesteps, int64_t width);

}  // namespace easel
