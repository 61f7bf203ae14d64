#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "easel/backend/cuda/kernels/weight_kernels.h"
#include "tests/cuda_kernels/support.h"

namespace easel::testing {
namespace {

constexpr DType kWeightTypes[] = {DType::f32,  DType::f16,  DType::bf16, DType::q8_0, DType::q4_0,
                                  DType::q4_1, DType::q5_0, DType::q5_1, DType::q2_k, DType::q3_k,
                                  DType::q4_k, DType::q5_k, DType::q6_k};

// Random bits, except that no half is infinite or NaN: halves lie at even places of blocks, and the highest bit of
// their exponent is that of f32 and bf16 too.
std::vector<std::byte> random_weight(DType type, int64_t count) {
  std::mt19937 generator(static_cast<uint32_t>(type) + 1);
  std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(type, count)));
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(generator() & (i % 2 == 0 ? 0xFF : 0xBF));
  return bytes;
}

std::vector<float> unpacked(DType type, std::span<const std::byte> bytes, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  convert_to_f32(type, bytes, values);
  return values;
}

class Weights : public ::testing::TestWithParam<DType> {};

TEST_P(Weights, UnpackGivesTheBitsOfTheCpu) {
  const int64_t count = 3 * 256;
  EXPECT_TRUE(cuda::can_unpack(GetParam()));
  const std::vector<std::byte> bytes = random_weight(GetParam(), count);
  const std::vector<float> expected = unpacked(GetParam(), bytes, count);
  for (const size_t offset : {0, 1, 2, 3}) {  // files align weights as they like
    std::vector<std::byte> place(bytes.size() + offset);
    std::copy(bytes.begin(), bytes.end(), place.begin() + static_cast<ptrdiff_t>(offset));
    for (const DType to : kElementTypes) {
      Operand out = Operand::empty(to, count);
      run_kernel(out, [&] { cuda::unpack(place.data() + offset, GetParam(), count, out.target(), nullptr); });
      EXPECT_EQ(out.values(), Operand(to, expected).values());
    }
  }
}

TEST_P(Weights, ConvolutionsGetChannelsLast) {
  const int64_t o = 4, i = 64, kh = 3, kw = 1;
  const std::vector<std::byte> bytes = random_weight(GetParam(), o * i * kh * kw);
  const std::vector<float> from = unpacked(GetParam(), bytes, o * i * kh * kw);
  for (const int64_t i_out : {i, i + 8}) {
    std::vector<float> expected;
    for (int64_t a = 0; a < o; ++a) {
      for (int64_t place = 0; place < kh * kw; ++place) {
        for (int64_t b = 0; b < i_out; ++b) {
          expected.push_back(b < i ? from[static_cast<size_t>((a * i + b) * kh * kw + place)] : 0.0f);
        }
      }
    }
    Operand out = Operand::empty(DType::f32, o * kh * kw * i_out);
    run_kernel(out, [&] {
      cuda::unpack_conv_weight(bytes.data(), GetParam(), {o, i, kh, kw}, i_out, out.target(), nullptr);
    });
    EXPECT_EQ(out.values(), expected);
  }
}

TEST_P(Weights, EmbeddingTakesRows) {
  const int64_t rows = 5, width = 256;
  const std::vector<std::byte> bytes = random_weight(GetParam(), rows * width);
  const std::vector<float> table = unpacked(GetParam(), bytes, rows * width);
  const std::vector<int32_t> ids{4, 0, 2, 2, -1, 5, 1};
  Operand out = Operand::empty(DType::f32, 7 * width);
  run_kernel(out,
             [&] { cuda::embedding(ids.data(), 7, bytes.data(), GetParam(), rows, width, out.target(), nullptr); });
  const std::vector<float> result = out.values();
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t id = ids[i / static_cast<size_t>(width)];
    if (id < 0 || id >= rows) {
      EXPECT_TRUE(std::isnan(result[i]));
    } else {
      EXPECT_EQ(result[i], table[static_cast<size_t>(id * width) + i % static_cast<size_t>(width)]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EachType, Weights, ::testing::ValuesIn(kWeightTypes),
                         [](const auto& info) { return std::string(name_of(info.param)); });

class NonFinite : public EachType {};

TEST_P(NonFinite, AreCounted) {
  std::vector<float> values = random_values(3000, 1);
  unsigned long long counter = 5;  // what was found before
  const Operand finite(GetParam(), values);
  cuda::count_non_finite(finite.source(), 3000, &counter, nullptr);
  EXPECT_EQ(counter, 5u);
  values[0] = std::nanf("");
  values[1501] = std::numeric_limits<float>::infinity();
  values[2999] = -std::numeric_limits<float>::infinity();
  const Operand x(GetParam(), values);
  cuda::count_non_finite(x.source(), 3000, &counter, nullptr);
  EXPECT_EQ(counter, 8u);
  cuda::count_non_finite(x.source(), 0, &counter, nullptr);
  EXPECT_EQ(counter, 8u);
}

INSTANTIATE_TEST_SUITE_P(EachType, NonFinite, ::testing::ValuesIn(kElementTypes), name_of_type);

TEST(WeightTypes, IntegersAreNotUnpacked) {
  for (const DType type : {DType::i32, DType::i64, DType::u8, DType::f64}) EXPECT_FALSE(cuda::can_unpack(type));
}

}  // namespace
}  // namespace easel::testing
