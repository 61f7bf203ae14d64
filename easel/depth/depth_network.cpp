#include "easel/depth/depth_network.h"

namespace easel {
namespace {

constexpr Window kWindow{};  // 3x3, the size stays
constexpr Window kHalving{.stride = 2};
constexpr Window kPointwise{.kernel = 1, .padding = {}};

}  // namespace

DepthNetwork::DepthNetwork(const Weights& weights, const DepthConfig& config)
    : config_(config),
      resnet_(weights / "pretrained.model.patch_embed.backbone", config),
      transformer_(weights / "pretrained.model", config),
      third_readout_(weights / "pretrained.act_postprocess3", config.width, config.token_channels[0]),
      fourth_readout_(weights / "pretrained.act_postprocess4", config.width, config.token_channels[1]),
      fourth_downsample_(weights / "pretrained.act_postprocess4.4", config.token_channels[1], config.token_channels[1],
                         kHalving),
      level1_(weights / "scratch.layer1_rn", config.stage_channels[0], config.features, kWindow, Bias::no),
      level2_(weights / "scratch.layer2_rn", config.stage_channels[1], config.features, kWindow, Bias::no),
      level3_(weights / "scratch.layer3_rn", config.token_channels[0], config.features, kWindow, Bias::no),
      level4_(weights / "scratch.layer4_rn", config.token_channels[1], config.features, kWindow, Bias::no),
      fusion1_(weights / "scratch.refinenet1", config.features),
      fusion2_(weights / "scratch.refinenet2", config.features),
      fusion3_(weights / "scratch.refinenet3", config.features),
      fusion4_(weights / "scratch.refinenet4", config.features, FusionBlock::Joins::nothing),
      head_in_(weights / "scratch.output_conv.0", config.features, config.features / 2),
      head_middle_(weights / "scratch.output_conv.2", config.features / 2, config.head_channels),
      head_out_(weights / "scratch.output_conv.4", config.head_channels, 1, kPointwise) {}

Tensor DepthNetwork::operator()(const Tensor& image, const BlockObserver& observe) const {
  EASEL_ASSERT(image.dim(0) == 1 && image.dim(1) % kSizeMultiplePx == 0 && image.dim(2) % kSizeMultiplePx == 0);
  Tensor x = decode(encode(image, observe), observe);  // [1, height / 2, width / 2, features]
  x = head_in_(x);
  x = enlarge_2x(x);  // [1, height, width, features / 2]
  x = head_middle_(x, {.activation = Activation::relu});
  return head_out_(x, {.activation = Activation::relu});
}

DepthNetwork::Levels DepthNetwork::encode(const Tensor& image, const BlockObserver& observe) const {
  const int64_t rows = image.dim(1) / DepthConfig::kPatch;
  const int64_t columns = image.dim(2) / DepthConfig::kPatch;
  const ResNet::Features features = resnet_(image, observe);
  const VisionTransformer::Levels tokens = transformer_(features.sixteenth, observe);
  const Tensor third = third_readout_(tokens.middle, rows, columns);
  const Tensor fourth = fourth_downsample_(fourth_readout_(tokens.last, rows, columns));  // halves the size
  return {.quarter = observed(observe, level1_(features.quarter), "scratch.layer1_rn"),
          .eighth = observed(observe, level2_(features.eighth), "scratch.layer2_rn"),
          .sixteenth = observed(observe, level3_(third), "scratch.layer3_rn"),
          .thirty_second = observed(observe, level4_(fourth), "scratch.layer4_rn")};
}

Tensor DepthNetwork::decode(const Levels& levels, const BlockObserver& observe) const {
  Tensor x = observed(observe, fusion4_(levels.thirty_second), "scratch.refinenet4");
  x = observed(observe, fusion3_(x, levels.sixteenth), "scratch.refinenet3");
  x = observed(observe, fusion2_(x, levels.eighth), "scratch.refinenet2");
  return observed(observe, fusion1_(x, levels.quarter), "scratch.refinenet1");
}

}  // namespace easel
