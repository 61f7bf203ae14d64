#include "easel/base/error.h"
#include "easel/control/control_net.h"
#include "easel/nn/structure.h"

namespace easel {
namespace {

constexpr int64_t kHintConvs = 8;  // three of them halve the size: pixels become latents

}  // namespace

ControlNetConfig ControlNetConfig::from(const Weights& weights) {
  ControlNetConfig config{.half = UNetConfig::from(weights), .hint_channels = {}, .out_channels = {}};
  if (config.half.in_channels != 4) {
    throw Error(ErrorCode::bad_checkpoint, "{}: a ControlNet with {} input channels, expected 4", weights.path(),
                config.half.in_channels);
  }
  for (int64_t i = 0; i < kHintConvs; ++i) {
    config.hint_channels.push_back(read_size(weights / "input_hint_block", fmt::format("{}.weight", 2 * i), 4, 0));
  }
  const int64_t zero_convs = count_blocks(weights, "zero_convs");
  for (int64_t i = 0; i < zero_convs; ++i) {
    config.out_channels.push_back(read_size(weights / "zero_convs" / i, "0.weight", 2, 0));
  }
  config.out_channels.push_back(read_size(weights, "middle_block_out.0.weight", 2, 0));
  const size_t expected = skip_channels(config.half).size();
  if (static_cast<size_t>(zero_convs) != expected) {
    throw Error(ErrorCode::bad_checkpoint, "{}: {} zero convolutions, expected {}, one for each input block",
                weights.path(), zero_convs, expected);
  }
  return config;
}

}  // namespace easel
