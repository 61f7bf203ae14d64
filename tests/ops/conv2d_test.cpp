#include "tests/ops/naive.h"

namespace easel::testing {
namespace {

struct ConvCase {
  const char* name;
  int64_t n, h, w, c_in, c_out, kernel;
  Conv2dOptions options;
  bool bias = true;
};

void PrintTo(const ConvCase& c, std::ostream* stream) { *stream << c.name; }

class Conv2d : public ::testing::TestWithParam<ConvCase> {};

double naive_conv(const Tensor& x, const std::vector<float>& weight, const ConvCase& c, int64_t image, int64_t row,
                  int64_t column, int64_t channel) {
  double sum = 0.0;
  for (int64_t i = 0; i < c.kernel; ++i) {
    for (int64_t j = 0; j < c.kernel; ++j) {
      int64_t y = row * c.options.stride + i - c.options.padding.top;
      int64_t z = column * c.options.stride + j - c.options.padding.left;
      if (c.options.padding.mode == PaddingMode::circular) {
        y = (y + c.h) % c.h;
        z = (z + c.w) % c.w;
      }
      if (y < 0 || y >= c.h || z < 0 || z >= c.w) continue;
      const float* pixel = x.data().data() + ((image * c.h + y) * c.w + z) * c.c_in;
      for (int64_t k = 0; k < c.c_in; ++k) {
        sum += static_cast<double>(pixel[k]) *
               static_cast<double>(weight[static_cast<size_t>(((channel * c.c_in + k) * c.kernel + i) * c.kernel + j)]);
      }
    }
  }
  return sum;
}

TEST_P(Conv2d, EqualsDefinition) {
  const ConvCase& c = GetParam();
  const Tensor x = random_tensor({c.n, c.h, c.w, c.c_in}, 1);
  const Parameter weight = random_parameter({c.c_out, c.c_in, c.kernel, c.kernel}, 2);
  const std::optional<Parameter> bias = c.bias ? std::optional(random_parameter({c.c_out}, 3)) : std::nullopt;
  const Tensor plain = ops::conv2d(x, weight, bias, c.options);
  Conv2dOptions options = c.options;
  const Tensor image_biases = random_tensor({c.n, c.c_out}, 4);
  options.image_bias = image_biases;
  options.residual = random_tensor(plain.shape(), 5);
  const Tensor fused = ops::conv2d(x, weight, bias, options);
  options.image_bias.reset();
  const Tensor added = ops::conv2d(x, weight, bias, options);

  const std::vector<float> weights = weight.values();
  const std::vector<float> biases = bias ? bias->values() : std::vector<float>(static_cast<size_t>(c.c_out), 0.0f);
  // 3x3 convolutions may be computed by minimal filtering, whose rounding errors are up to 8.2 times as large
  // (easel/backend/cpu/winograd_transforms-inl.h). With another stride they cannot.
  const double growth = c.kernel == 3 && c.options.stride == 1 ? 8.2 : 1.0;
  const double allowed = growth * tolerance(DType::f32, c.kernel * c.kernel * c.c_in);
  const auto sum_at = [&](int64_t index) {
    const int64_t channel = index % c.c_out;
    const int64_t pixel = index / c.c_out;
    const int64_t column = pixel % plain.dim(2);
    const int64_t row = pixel / plain.dim(2) % plain.dim(1);
    return naive_conv(x, weights, c, pixel / plain.dim(2) / plain.dim(1), row, column, channel) +
           static_cast<double>(biases[static_cast<size_t>(channel)]);
  };
  expect_elements(plain, allowed, [&](int64_t index) { return naive_activation(c.options.activation, sum_at(index)); });
  expect_elements(added, allowed, [&](int64_t index) {
    return naive_activation(c.options.activation, sum_at(index)) +
           static_cast<double>(options.residual->data()[static_cast<size_t>(index)]);
  });
  expect_elements(fused, allowed, [&](int64_t index) {
    const int64_t image = index / (plain.count() / c.n);
    const double image_bias = image_biases.data()[static_cast<size_t>(image * c.c_out + index % c.c_out)];
    return naive_activation(c.options.activation, sum_at(index) + image_bias) +
           static_cast<double>(options.residual->data()[static_cast<size_t>(index)]);
  });
}

constexpr Padding kSame{1, 1, 1, 1};
constexpr Padding kWrap{1, 1, 1, 1, PaddingMode::circular};

INSTANTIATE_TEST_SUITE_P(
    StableDiffusionShapes, Conv2d,
    ::testing::Values(
        ConvCase{"unet_in", 2, 64, 64, 4, 320, 3, {.padding = kSame}},
        ConvCase{"unet_64px", 2, 64, 64, 320, 320, 3, {.padding = kSame}},
        ConvCase{"unet_32px", 2, 32, 32, 640, 640, 3, {.padding = kSame}},
        ConvCase{"unet_16px", 2, 16, 16, 1280, 1280, 3, {.padding = kSame}},
        ConvCase{"unet_8px", 2, 8, 8, 1280, 1280, 3, {.padding = kSame}},
        ConvCase{"unet_8px_wide", 2, 8, 8, 2560, 1280, 3, {.padding = kSame}},
        ConvCase{"unet_down", 2, 64, 64, 320, 320, 3, {.stride = 2, .padding = kSame}},
        ConvCase{"unet_out", 2, 64, 64, 320, 4, 3, {.padding = kSame}},
        ConvCase{"shortcut", 2, 32, 32, 960, 640, 1, {}},
        ConvCase{"vae_down", 1, 64, 64, 128, 128, 3, {.stride = 2, .padding = {0, 1, 0, 1}}},
        ConvCase{"vae_128", 1, 128, 128, 128, 128, 3, {.padding = kSame}},
        ConvCase{"vae_512", 1, 64, 64, 512, 512, 3, {.padding = kSame}},
        ConvCase{"vae_out", 1, 64, 64, 128, 3, 3, {.padding = kSame}}, ConvCase{"post_quant", 1, 64, 64, 4, 4, 1, {}},
        ConvCase{"no_bias_silu", 1, 9, 7, 24, 40, 3, {.padding = kSame, .activation = Activation::silu}, false},
        ConvCase{"esrgan", 1, 48, 40, 192, 64, 3, {.padding = kSame, .activation = Activation::leaky_relu}},
        ConvCase{"esrgan_in", 1, 48, 40, 3, 64, 3, {.padding = kSame, .activation = Activation::leaky_relu}},
        ConvCase{"few_channels_relu", 1, 12, 8, 3, 3, 3, {.padding = kSame, .activation = Activation::relu}},
        ConvCase{"five_channels_relu", 1, 6, 4, 5, 5, 3, {.padding = kSame, .activation = Activation::relu}},
        ConvCase{"resnet_stem", 1, 30, 26, 3, 64, 7, {.stride = 2, .padding = {2, 3, 2, 3}}, false},
        ConvCase{"resnet_shortcut", 2, 13, 9, 48, 72, 1, {.stride = 2, .padding = {}}},
        ConvCase{"patch_embedding", 1, 64, 48, 3, 96, 16, {.stride = 16, .padding = {}}},
        ConvCase{"patches_that_are_long", 1, 10, 9, 160, 33, 5, {.stride = 3, .padding = {2, 2, 2, 2}}},
        ConvCase{"kernel_larger_than_the_image", 2, 3, 2, 20, 17, 5, {.padding = {3, 2, 4, 1}}},
        ConvCase{"stride_larger_than_the_kernel", 1, 9, 11, 6, 50, 2, {.stride = 4, .padding = {1, 0, 0, 2}}},
        ConvCase{"one_channel", 1, 7, 9, 1, 1, 3, {.stride = 2, .padding = kSame, .activation = Activation::gelu}},
        ConvCase{"odd_size", 3, 13, 5, 32, 64, 3, {.padding = kSame}},
        ConvCase{"one_pixel", 1, 1, 1, 64, 64, 3, {.padding = kSame}},
        ConvCase{"circular_unet_in", 2, 64, 64, 4, 320, 3, {.padding = kWrap}},
        ConvCase{"circular_unet_64px", 2, 64, 64, 320, 320, 3, {.padding = kWrap}},
        ConvCase{"circular_unet_8px", 2, 8, 8, 1280, 1280, 3, {.padding = kWrap}},
        ConvCase{"circular_unet_down", 2, 64, 64, 320, 320, 3, {.stride = 2, .padding = kWrap}},
        ConvCase{
            "circular_vae_down", 1, 64, 64, 128, 128, 3, {.stride = 2, .padding = {0, 1, 0, 1, PaddingMode::circular}}},
        ConvCase{"circular_vae_512", 1, 64, 64, 512, 512, 3, {.padding = kWrap}},
        ConvCase{"circular_vae_out", 1, 64, 64, 128, 3, 3, {.padding = kWrap}},
        ConvCase{"circular_shortcut", 2, 32, 32, 960, 640, 1, {.padding = {.mode = PaddingMode::circular}}},
        ConvCase{"circular_odd_size", 3, 13, 5, 32, 64, 3, {.padding = kWrap}},
        ConvCase{"circular_two_pixels", 1, 2, 1, 64, 64, 3, {.padding = kWrap}}),
    [](const auto& info) { return std::string(info.param.name); });

class DirectConv2d : public ::testing::TestWithParam<ConvCase> {};

// Neither the number of threads nor what lies in other rows changes a bit of the result: the last rows of an image are
// computed as they are in the whole of it.
TEST_P(DirectConv2d, ThreadsAndBandsDoNotMatter) {
  const ConvCase& c = GetParam();
  const std::vector<float> values = random_values(c.n * c.h * c.w * c.c_in, 1);
  std::vector<float> first;
  for (const int threads : {1, 2, 3, 7}) {
    const auto device = open_device({.threads = threads});
    const Parameter weight = random_parameter({c.c_out, c.c_in, c.kernel, c.kernel}, 2);
    const Parameter bias = random_parameter({c.c_out}, 3);
    const Tensor x = Tensor::from(*device, {c.n, c.h, c.w, c.c_in}, std::span<const float>(values));
    const Tensor whole = ops::conv2d(x, weight, bias, c.options);
    if (first.empty()) first = whole.values();
    EXPECT_EQ(whole.values(), first) << threads << " threads";

    // Of the last image; the band begins where a row of the result reads nothing above it.
    const int64_t out_row = whole.dim(1) / 2;
    const int64_t in_row = out_row * c.options.stride - c.options.padding.top;
    ASSERT_GT(in_row, 0);
    Conv2dOptions below = c.options;
    below.padding.top = 0;
    const int64_t in_floats = (c.h - in_row) * c.w * c.c_in;
    const Tensor rows =
        Tensor::from(*device, {1, c.h - in_row, c.w, c.c_in}, std::span<const float>(values).last(in_floats));
    const std::vector<float> band = ops::conv2d(rows, weight, bias, below).values();
    const int64_t out_floats = (whole.dim(1) - out_row) * whole.dim(2) * c.c_out;
    EXPECT_EQ(band, std::vector<float>(first.end() - out_floats, first.end())) << threads << " threads";
  }
}

// What a plan takes for it is what it takes.
TEST_P(DirectConv2d, TakesTheMemoryOfItsPlan) {
  const ConvCase& c = GetParam();
  const Parameter weight = random_parameter({c.c_out, c.c_in, c.kernel, c.kernel}, 2);
  for (const int threads : {1, 3}) {
    const auto peak_of = [&](const Device& device) {
      ops::conv2d(Tensor::empty(device, {c.n, c.h, c.w, c.c_in}), weight, std::nullopt, c.options);
      return device.allocator().peak_bytes();
    };
    const PlanningDevice plan = open_planning_device(threads);
    EXPECT_EQ(peak_of(*plan.device), peak_of(*open_device({.threads = threads})));
    EXPECT_GE(plan.memory.peak_held_bytes(), plan.device->allocator().peak_bytes() + weight.bytes().size());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, DirectConv2d,
    ::testing::Values(ConvCase{"unet_in", 2, 24, 20, 4, 320, 3, {.padding = kSame}},
                      ConvCase{"unet_down", 2, 20, 20, 320, 320, 3, {.stride = 2, .padding = kSame}},
                      ConvCase{"vae_down", 1, 37, 41, 128, 128, 3, {.stride = 2, .padding = {0, 1, 0, 1}}},
                      ConvCase{"vae_out", 1, 33, 40, 128, 3, 3, {.padding = kSame}},
                      ConvCase{"resnet_stem", 2, 30, 26, 3, 64, 7, {.stride = 2, .padding = {2, 3, 2, 3}}},
                      ConvCase{"patch_embedding", 1, 64, 48, 3, 96, 16, {.stride = 16, .padding = {}}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace easel::testing
