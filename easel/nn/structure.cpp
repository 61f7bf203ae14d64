#include "easel/nn/structure.h"

#include "easel/base/error.h"

namespace easel {
namespace {

// A 1x1 convolution is a linear layer.
int rank_as_layer(const Shape& shape) {
  return shape.rank() == 4 && shape.dim(2) == 1 && shape.dim(3) == 1 ? 2 : shape.rank();
}

}  // namespace

int64_t read_size(const Weights& weights, std::string_view name, int rank, int index, int64_t limit) {
  const Shape shape = weights.shape(name);
  if (shape.rank() != rank && rank_as_layer(shape) != rank) {
    throw Error(ErrorCode::bad_checkpoint, "{}.{} is {}, expected {} dimensions", weights.path(), name, shape, rank);
  }
  const int64_t size = shape.dim(index);
  if (size < 1 || size > limit) {
    throw Error(ErrorCode::bad_checkpoint, "{}.{} is {}, expected sizes from 1 to {}", weights.path(), name, shape,
                limit);
  }
  return size;
}

int64_t count_blocks(const Weights& weights, std::string_view prefix) {
  const Weights blocks = weights / prefix;
  int64_t count = 0;
  while (blocks.has(std::to_string(count))) ++count;
  return count;
}

void require_multiple(const Weights& weights, std::string_view what, int64_t size, int64_t divisor) {
  if (size % divisor == 0) return;
  throw Error(ErrorCode::bad_checkpoint, "{}: {} {}, expected a multiple of {}", weights.path(), size, what, divisor);
}

}  // namespace easel
