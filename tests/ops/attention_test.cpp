#include <limits>

#include "tests/ops/naive.h"

namespace easel::testing {
namespace {

struct AttentionCase {
  const char* name;
  int64_t n, queries, keys, heads, head_dim;
  bool causal = false;
  float magnitude = 1.0f;  // of the queries: large ones make the softmax sharp
};

void PrintTo(const AttentionCase& c, std::ostream* stream) { *stream << c.name; }

class Attention : public ::testing::TestWithParam<AttentionCase> {};

TEST_P(Attention, EqualsDefinition) {
  const AttentionCase& c = GetParam();
  const int64_t d = c.heads * c.head_dim;
  const Tensor q = random_tensor({c.n, c.queries, d}, 1) * c.magnitude;
  const Tensor k = random_tensor({c.n, c.keys, d}, 2);
  const Tensor v = random_tensor({c.n, c.keys, d}, 3);
  const Tensor out = ops::attention(q, k, v, {.heads = c.heads, .causal = c.causal});
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  const auto element = [](const Tensor& tensor, int64_t row, int64_t column) {
    return static_cast<double>(tensor.data()[static_cast<size_t>(row * tensor.dim(2) + column)]);
  };
  // A score is rounded in proportion to its size (about magnitude / 3), and the softmax turns that into a relative
  // error.
  const double allowed = tolerance(DType::f32, c.keys + c.head_dim) +
                         tolerance(DType::f32, c.head_dim) * static_cast<double>(c.magnitude) / 3.0;
  expect_elements(out, allowed, [&](int64_t index) {
    const int64_t column = index % d;
    const int64_t first = column / c.head_dim * c.head_dim;
    const int64_t row = index / d;
    const int64_t image = row / c.queries;
    const int64_t visible = c.causal ? row % c.queries + 1 : c.keys;
    std::vector<double> scores;
    for (int64_t key = 0; key < visible; ++key) {
      double score = 0.0;
      for (int64_t i = 0; i < c.head_dim; ++i) {
        score += element(q, row, first + i) * element(k, image * c.keys + key, first + i);
      }
      scores.push_back(score * scale);
    }
    const double largest = *std::ranges::max_element(scores);
    double total = 0.0;
    double sum = 0.0;
    for (int64_t key = 0; key < visible; ++key) {
      const double weight = std::exp(scores[static_cast<size_t>(key)] - largest);
      total += weight;
      sum += weight * element(v, image * c.keys + key, column);
    }
    return sum / total;
  });
}

// What is not finite shows in the result, where it would by the definition.
TEST(AttentionOfNumbersThatAreNotFinite, ShowsThem) {
  constexpr int64_t kTokens = 300, kHeads = 2, kWidth = 80;
  const Tensor good = random_tensor({1, kTokens, kWidth}, 1);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Tensor spoiled = good.clone();
    spoiled.data()[7 * kWidth + 3] = bad;  // of token 7, in the first head
    const auto is_finite = [](const Tensor& out, int64_t token, int64_t column) {
      return std::isfinite(out.data()[static_cast<size_t>(token * kWidth + column)]);
    };
    const Tensor by_query = ops::attention(spoiled, good, good, {.heads = kHeads});
    const Tensor by_key = ops::attention(good, spoiled, good, {.heads = kHeads});
    const Tensor by_value = ops::attention(good, good, spoiled, {.heads = kHeads});
    for (const int64_t token : {0, 7, 8, 299}) {
      EXPECT_EQ(is_finite(by_query, token, 0), token != 7);
      EXPECT_FALSE(is_finite(by_key, token, 0));
      EXPECT_FALSE(is_finite(by_value, token, 3));
      for (const Tensor& out : {by_query, by_key, by_value}) EXPECT_TRUE(is_finite(out, token, 40));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    StableDiffusionShapes, Attention,
    ::testing::Values(AttentionCase{"self_64px", 1, 4096, 4096, 8, 40},
                      AttentionCase{"self_32px", 2, 1024, 1024, 8, 80}, AttentionCase{"self_16px", 2, 256, 256, 8, 160},
                      AttentionCase{"self_8px", 2, 64, 64, 8, 160}, AttentionCase{"self_sd2", 2, 576, 576, 5, 64},
                      AttentionCase{"cross_64px", 2, 4096, 77, 8, 40}, AttentionCase{"cross_8px", 2, 64, 77, 8, 160},
                      AttentionCase{"text", 2, 77, 77, 12, 64, true},
                      AttentionCase{"long_causal", 1, 700, 700, 2, 64, true},
                      AttentionCase{"vae", 1, 1024, 1024, 1, 512},
                      AttentionCase{"sharp", 1, 300, 555, 2, 40, false, 200.0f},
                      AttentionCase{"tiny_heads", 2, 97, 33, 4, 4}, AttentionCase{"one_token", 1, 1, 1, 1, 8}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace easel::testing
