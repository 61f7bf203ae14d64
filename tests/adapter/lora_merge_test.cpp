// The merged weights against W + weight * alpha / rank * up @ down in double precision.
#include "easel/adapter/lora_merge.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/checkpoint/expect_error.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/device.h"
#include "tests/support/random_values.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

const std::string kLinear = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight";
const std::string kConv = "model.diffusion_model.input_blocks.1.0.in_layers.2.weight";
const std::string kFused = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight";
const std::string kUnetName = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
const std::string kConvName = "lora_unet_down_blocks_0_resnets_0_conv1";
const std::string kTextName = "lora_te_text_model_encoder_layers_0_self_attn_k_proj";

WeightData random_tensor(const std::string& name, const Shape& shape, float scale = 1.0f) {
  return f32_tensor(name, shape,
                    random_values(shape.count(), scale, static_cast<unsigned>(name.size() + shape.count())));
}

WeightData as_f16(const WeightData& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.shape.count()));
  convert_to_f32(tensor.dtype, tensor.bytes, values);
  const auto halves = std::make_shared<std::vector<uint16_t>>(values.size());
  convert_to_f16(values, *halves);
  return {.name = tensor.name,
          .shape = tensor.shape,
          .dtype = DType::f16,
          .bytes = std::as_bytes(std::span(*halves)),
          .owner = halves};
}

std::vector<double> numbers(const WeightData& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.shape.count()));
  convert_to_f32(tensor.dtype, tensor.bytes, values);
  return {values.begin(), values.end()};
}

std::shared_ptr<const Checkpoint> model() {
  return Checkpoint::from_tensors(
      "model", {as_f16(random_tensor(kLinear, {24, 16})), random_tensor(kConv, {8, 12, 3, 3}),
                random_tensor(kFused, {24, 8}), random_tensor("model.diffusion_model.out.2.weight", {4, 8, 3, 3})});
}

std::shared_ptr<const Lora> lora(std::vector<WeightData> tensors) {
  return std::make_shared<const Lora>(Checkpoint::from_tensors("lora", std::move(tensors)));
}

std::shared_ptr<const Lora> linear_lora(float alpha = 2.0f) {
  return lora({random_tensor(kUnetName + ".lora_down.weight", {4, 16}),
               random_tensor(kUnetName + ".lora_up.weight", {24, 4}),
               f32_tensor(kUnetName + ".alpha", {}, std::vector<float>{alpha})});
}

// rows x columns += factor * up @ down
void add_product(std::vector<double>& out, size_t first, const std::vector<double>& up, const std::vector<double>& down,
                 size_t rank, double factor) {
  const size_t rows = up.size() / rank, columns = down.size() / rank;
  for (size_t o = 0; o < rows; ++o) {
    for (size_t i = 0; i < columns; ++i) {
      double sum = 0.0;
      for (size_t r = 0; r < rank; ++r) sum += up[o * rank + r] * down[r * columns + i];
      out[first + o * columns + i] += factor * sum;
    }
  }
}

void expect_merged(const Checkpoint& merged, const std::string& name, const std::vector<double>& expected) {
  const WeightData& tensor = *merged.find(name);
  const std::vector<double> actual = numbers(tensor);
  const std::vector<float> a(actual.begin(), actual.end()), b(expected.begin(), expected.end());
  EXPECT_TRUE(near(std::span<const float>(a), std::span<const float>(b),
                   tensor.dtype == DType::f16 ? std::ldexp(1.0, -11) : tolerance(DType::f32, 8)));
}

TEST(LoraMerge, LinearLayersInHalfPrecision) {
  const auto base = model();
  const auto file = linear_lora();
  LoraMerger merger(base);
  const auto merged = merger.merge({{file, 0.8, 0.3}}, cpu_device());
  std::vector<double> expected = numbers(*base->find(kLinear));
  const LoraLayer& layer = file->layers().front();
  add_product(expected, 0, numbers(*layer.up), numbers(*layer.down), 4, 0.8 * 2.0 / 4);
  EXPECT_EQ(merged->find(kLinear)->dtype, DType::f16);
  expect_merged(*merged, kLinear, expected);
  EXPECT_EQ(numbers(*merged->find(kConv)), numbers(*base->find(kConv)));
  EXPECT_EQ(merged->find(kConv)->bytes.data(), base->find(kConv)->bytes.data());  // not even copied
}

TEST(LoraMerge, ConvolutionsWithWindow) {
  const auto base = model();
  const auto file = lora({random_tensor(kConvName + ".lora_down.weight", {3, 12, 3, 3}),
                          random_tensor(kConvName + ".lora_up.weight", {8, 3, 1, 1})});
  LoraMerger merger(base);
  std::vector<double> expected = numbers(*base->find(kConv));
  const LoraLayer& layer = file->layers().front();
  add_product(expected, 0, numbers(*layer.up), numbers(*layer.down), 3, -1.5);
  expect_merged(*merger.merge({{file, -1.5, 0.0}}, cpu_device()), kConv, expected);
}

// up [o, p] mid [p, r, y, x] down [r, i]: a 1x1 convolution, a 3x3 one of the rank's channels, another 1x1 one.
TEST(LoraMerge, ConvolutionsDecomposedOnceMore) {
  const auto base = model();
  const auto file = lora({random_tensor(kConvName + ".lora_down.weight", {3, 12, 1, 1}),
                          random_tensor(kConvName + ".lora_mid.weight", {3, 3, 3, 3}),
                          random_tensor(kConvName + ".lora_up.weight", {8, 3, 1, 1})});
  const LoraLayer& layer = file->layers().front();
  const std::vector<double> up = numbers(*layer.up), mid = numbers(*layer.mid), down = numbers(*layer.down);
  std::vector<double> expected = numbers(*base->find(kConv));
  for (size_t o = 0; o < 8; ++o) {
    for (size_t i = 0; i < 12; ++i) {
      for (size_t k = 0; k < 9; ++k) {
        for (size_t p = 0; p < 3; ++p) {
          for (size_t r = 0; r < 3; ++r) {
            expected[(o * 12 + i) * 9 + k] += up[o * 3 + p] * mid[(p * 3 + r) * 9 + k] * down[r * 12 + i];
          }
        }
      }
    }
  }
  LoraMerger merger(base);
  expect_merged(*merger.merge({{file, 1.0, 1.0}}, cpu_device()), kConv, expected);
}

TEST(LoraMerge, RowsOfAFusedProjectionTakeTheTextEncodersWeight) {
  const auto base = model();
  const auto file = lora(
      {random_tensor(kTextName + ".lora_down.weight", {2, 8}), random_tensor(kTextName + ".lora_up.weight", {8, 2})});
  LoraMerger merger(base);
  std::vector<double> expected = numbers(*base->find(kFused));
  const LoraLayer& layer = file->layers().front();
  add_product(expected, 8 * 8, numbers(*layer.up), numbers(*layer.down), 2, 0.25);
  expect_merged(*merger.merge({{file, 1.0, 0.25}}, cpu_device()), kFused, expected);
}

TEST(LoraMerge, SeveralAddUpAndOnlyWhatChangedIsMergedAnew) {
  const auto base = model();
  const auto first = linear_lora(), second = linear_lora(4.0f);
  const auto conv = lora({random_tensor(kConvName + ".lora_down.weight", {3, 12, 3, 3}),
                          random_tensor(kConvName + ".lora_up.weight", {8, 3, 1, 1})});
  LoraMerger merger(base);
  const auto both = merger.merge({{first, 1.0, 1.0}, {second, 0.5, 1.0}, {conv, 1.0, 1.0}}, cpu_device());
  EXPECT_EQ(merger.merged_last(), 2);
  std::vector<double> expected = numbers(*base->find(kLinear));
  const LoraLayer& layer = first->layers().front();
  add_product(expected, 0, numbers(*layer.up), numbers(*layer.down), 4, 1.0 * 2.0 / 4 + 0.5 * 4.0 / 4);
  expect_merged(*both, kLinear, expected);
  merger.merge({{first, 0.25, 1.0}, {conv, 1.0, 1.0}}, cpu_device());
  EXPECT_EQ(merger.merged_last(), 1);  // the convolution stayed
  EXPECT_EQ(merger.merge({}, cpu_device()), base);
  EXPECT_EQ(merger.merge({{first, 0.0, 1.0}}, cpu_device()), base);
}

TEST(LoraMerge, MemoryIsThatOfTheDeviceAndKnownBefore) {
  const auto base = model();
  LoraMerger merger(base);
  const std::vector<LoraUse> uses = {{linear_lora(), 1.0, 1.0}};
  EXPECT_EQ(merger.need(uses).kept_bytes, 24u * 16 * 2);
  EXPECT_EQ(merger.need(uses).replaced_bytes, 24u * 16 * 2);  // F16 as well
  const uint64_t before = cpu_device().allocator().bytes_in_use();
  const auto merged = merger.merge(uses, cpu_device());
  EXPECT_GE(cpu_device().allocator().bytes_in_use(), before + 24 * 16 * 2);
}

TEST(LoraMerge, NumbersThatOverflowAreRefused) {
  LoraMerger merger(model());
  EXPECT_THAT(message_of([&] {
                merger.merge({{linear_lora(1e8f), 1.0, 1.0}}, cpu_device());
              }),
              HasSubstr("attn1.to_q.weight: with the LoRA it holds numbers that are not finite; use a smaller weight"));
}

TEST(LoraMerge, MayBeStopped) {
  LoraMerger merger(model());
  const auto stop = [] { throw Error(ErrorCode::cancelled, "stop"); };
  EXPECT_THROW(merger.merge({{linear_lora(), 1.0, 1.0}}, cpu_device(), stop), Error);
}

}  // namespace
}  // namespace easel::testing
