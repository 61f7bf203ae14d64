#include "tests/cuda_kernels/support.h"

namespace easel::testing {
namespace {

struct AttentionCase {
  cuda::AttentionSizes sizes;
  bool causal = false;
};

class Attention : public EachType {
 protected:
  using Function = void(cuda::Source q, cuda::Source k, cuda::Source v, const cuda::AttentionSizes& sizes, bool causal,
                        cuda::Target out, cuda::Stream stream);
  void expect_equal_to_cpu(const AttentionCase& c, Function* attention) const;
};

// Every head dimension of the models, some that are no whole vectors, one with more than a block computes at once;
// tiles of queries and keys that are whole and that are not; masks within and across tiles.
constexpr AttentionCase kCases[] = {
    {{.n = 2, .queries = 70, .keys = 77, .heads = 2, .head_dim = 40}},
    {{.n = 1, .queries = 64, .keys = 128, .heads = 1, .head_dim = 64}},
    {{.n = 1, .queries = 3, .keys = 1, .heads = 3, .head_dim = 5}},
    {{.n = 1, .queries = 1, .keys = 200, .heads = 2, .head_dim = 80}},
    {{.n = 1, .queries = 16, .keys = 65, .heads = 1, .head_dim = 160}},
    {{.n = 1, .queries = 9, .keys = 66, .heads = 1, .head_dim = 516}},
    {{.n = 2, .queries = 77, .keys = 77, .heads = 1, .head_dim = 64}, true},
    {{.n = 1, .queries = 150, .keys = 150, .heads = 1, .head_dim = 33}, true},
};

void Attention::expect_equal_to_cpu(const AttentionCase& c, Function* attention) const {
  const auto& s = c.sizes;
  SCOPED_TRACE(::testing::Message() << s.queries << " queries, " << s.keys << " keys, " << s.heads << " heads of "
                                    << s.head_dim << (c.causal ? ", causal" : ""));
  const int64_t width = s.heads * s.head_dim;
  const Shape q_shape{s.n, s.queries, width};
  const Shape k_shape{s.n, s.keys, width};
  std::vector<float> queries = random_values(q_shape.count(), 1);
  for (float& value : queries) value *= 6.0f;  // some scores stand out
  const Operand q(GetParam(), queries);
  const Operand k(GetParam(), random_values(k_shape.count(), 2));
  const Operand v(GetParam(), random_values(k_shape.count(), 3));
  Tensor expected = Tensor::zeros(cpu_device(), q_shape);
  cpu_device().backend().attention(q.tensor(q_shape), k.tensor(k_shape), v.tensor(k_shape),
                                   {.heads = s.heads, .causal = c.causal}, expected);
  Operand out = Operand::empty(GetParam(), q_shape.count());
  run_kernel(out, [&] { attention(q.source(), k.source(), v.source(), s, c.causal, out.target(), nullptr); });
  // Scores are sums of head_dim products, weights are their exponents, and results are sums over keys.
  const double scores = 6.0 * tolerance(DType::f32, s.head_dim);
  // On tensor cores a weight is rounded too, by at most half a unit: all of them together move a mean of values no
  // more.
  const double weights = attention == cuda::tensor_attention ? kernel_tolerance(GetParam(), 1) : 0.0;
  EXPECT_TENSOR_NEAR(out.tensor(q_shape), expected, kernel_tolerance(GetParam(), s.keys) + scores + weights);
}

TEST_P(Attention, EqualsTheCpu) {
  for (const AttentionCase& c : kCases) expect_equal_to_cpu(c, cuda::attention);
}

TEST_P(Attention, OperandsOfAnyAlignment) {
  const cuda::AttentionSizes sizes{.n = 1, .queries = 20, .keys = 30, .heads = 2, .head_dim = 24};
  const int64_t width = 48;
  const Operand q(GetParam(), random_values(20 * width, 1), 1);
  const Operand k(GetParam(), random_values(30 * width, 2), 3);
  const Operand v(GetParam(), random_values(30 * width, 3), 5);
  Tensor expected = Tensor::zeros(cpu_device(), {1, 20, width});
  cpu_device().backend().attention(q.tensor({1, 20, width}), k.tensor({1, 30, width}), v.tensor({1, 30, width}),
                                   {.heads = 2}, expected);
  Operand out = Operand::empty(GetParam(), 20 * width, 7);
  run_kernel(out, [&] { cuda::attention(q.source(), k.source(), v.source(), sizes, false, out.target(), nullptr); });
  EXPECT_TENSOR_NEAR(out.tensor({1, 20, width}), expected, kernel_tolerance(GetParam(), 30 + 24));
}

TEST_P(Attention, ScoresThatOverflowGiveNan) {
  const cuda::AttentionSizes sizes{.n = 1, .queries = 2, .keys = 70, .heads = 1, .head_dim = 8};
  std::vector<float> values = random_values(70 * 8, 1);
  values[65 * 8] = std::nanf("");
  const Operand q(GetParam(), random_values(2 * 8, 2));
  const Operand k(GetParam(), values);
  Operand out = Operand::empty(GetParam(), 2 * 8);
  run_kernel(out, [&] { cuda::attention(q.source(), k.source(), k.source(), sizes, false, out.target(), nullptr); });
  for (const float value : out.values()) EXPECT_TRUE(std::isnan(value));
}

constexpr AttentionCase kTensorCases[] = {
    {{.n = 2, .queries = 70, .keys = 77, .heads = 2, .head_dim = 40}},
    {{.n = 1, .queries = 64, .keys = 128, .heads = 1, .head_dim = 64}},
    {{.n = 1, .queries = 3, .keys = 1, .heads = 3, .head_dim = 8}},
    {{.n = 1, .queries = 1, .keys = 130, .heads = 2, .head_dim = 80}},
    {{.n = 1, .queries = 16, .keys = 65, .heads = 1, .head_dim = 160}},
    {{.n = 1, .queries = 9, .keys = 66, .heads = 1, .head_dim = 512}},
    {{.n = 2, .queries = 77, .keys = 77, .heads = 1, .head_dim = 64}, true},
    {{.n = 1, .queries = 150, .keys = 150, .heads = 1, .head_dim = 24}, true},
};

class TensorAttention : public Attention {};

TEST_P(TensorAttention, EqualsTheCpu) {
  for (const AttentionCase& c : kTensorCases) {
    ASSERT_TRUE(cuda::tensor_attention_applies(GetParam(), c.sizes.head_dim, 80));
    expect_equal_to_cpu(c, cuda::tensor_attention);
  }
}

TEST(TensorCores, ServeWhereTypesAndMemoryAllow) {
  EXPECT_TRUE(cuda::tensor_attention_applies(DType::f16, 64, 75));
  EXPECT_FALSE(cuda::tensor_attention_applies(DType::f16, 64, 70));
  EXPECT_FALSE(cuda::tensor_attention_applies(DType::bf16, 64, 75));
  EXPECT_FALSE(cuda::tensor_attention_applies(DType::f32, 64, 90));
  EXPECT_FALSE(cuda::tensor_attention_applies(DType::f16, 36, 90));
  EXPECT_TRUE(cuda::tensor_attention_applies(DType::f16, 512, 86));
  EXPECT_FALSE(cuda::tensor_attention_applies(DType::f16, 512, 75));
}

INSTANTIATE_TEST_SUITE_P(EachType, Attention, ::testing::ValuesIn(kElementTypes), name_of_type);
INSTANTIATE_TEST_SUITE_P(EachHalf, TensorAttention, ::testing::Values(DType::f16, DType::bf16), name_of_type);

}  // namespace
}  // namespace easel::testing
