// The sizes of a tensor's dimensions, outermost first.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace easel {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;  // rank 0: one element
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);  // at most kMaxRank dimensions, none negative

  int rank() const { return rank_; }
  // Negative indices count from the end: dim(-1) is the innermost.
  int64_t dim(int index) const;
  int64_t operator[](int index) const { return dim(index); }
  int64_t count() const;  // number of elements
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }

  bool operator==(const Shape& other) const;
  std::string text() const;  // "[2, 64, 64, 320]"

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace easel

template <>
struct fmt::formatter<easel::Shape> : fmt::formatter<std::string> {
  template <typename Context>
  auto format(const easel::Shape& shape, Context& context) const {
    return fmt::formatter<std::string>::format(shape.text(), context);
  }
};
