#include "easel/tensor/shape.h"

#include <fmt/ranges.h>  // fmt::join, from version 11

#include <algorithm>

#include "easel/base/error.h"

namespace easel {

Shape::Shape(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  EASEL_ASSERT(dims.size() <= kMaxRank);
  EASEL_ASSERT(std::all_of(dims.begin(), dims.end(), [](int64_t dim) { return dim >= 0; }));
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

int64_t Shape::dim(int index) const {
  const int positive = index < 0 ? index + rank_ : index;
  EASEL_ASSERT(positive >= 0 && positive < rank_);
  return dims_[static_cast<size_t>(positive)];
}

int64_t Shape::count() const {
  int64_t product = 1;
  for (const int64_t dim : dims()) EASEL_ASSERT(!__builtin_mul_overflow(product, dim, &product));
  return product;
}

bool Shape::operator==(const Shape& other) const {
  return std::equal(dims().begin(), dims().end(), other.dims().begin(), other.dims().end());
}

std::string Shape::text() const { return fmt::format("[{}]", fmt::join(dims(), ", ")); }

}  // namespace easel
