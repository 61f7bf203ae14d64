#include "easel/pipeline/memory_trial.h"

#include <algorithm>

#include "easel/depth/depth_map.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/control.h"
#include "easel/pipeline/depth.h"
#include "easel/pipeline/int8_layers.h"
#include "easel/pipeline/memory.h"
#include "easel/prompt/prompt_tokens.h"

namespace easel {
namespace {

// Latents that a solver holds beside those in the network: x, noise, predictions, what it remembers.
constexpr int64_t kSolverLatents = 8;

VaeConfig with_choices(VaeConfig config, PaddingMode padding, VaeBands bands) {
  config.padding = padding;
  config.bands = bands;
  return config;
}

// The ControlNets of a job, all of which act.
struct TrialControls {
  std::vector<Control> controls;
  std::vector<size_t> acting;

  TrialControls(const JobSize& job, Residency residency, const Device& device) {
    for (const auto& file : job.controls) {
      const auto control_net = std::make_shared<OpenControlNet>(file, residency);
      const Tensor hint = control_net->network().read_hint(Tensor::empty(device, {1, job.height_px, job.width_px, 3}));
      acting.push_back(controls.size());
      controls.push_back({.control_net = control_net, .hint = hint, .weight = 0.5, .start = 0.0, .end = 1.0});
    }
  }
  std::vector<ControlNet::Conditioning> condition(const Tensor& context) const {
    std::vector<ControlNet::Conditioning> out;
    for (const Control& control : controls) out.push_back(control.network().condition(context));
    return out;
  }
};

}  // namespace

Residency control_residency(const StageModes& modes) { return modes.residency.of(fmt::format("{}.", Model::kUnet)); }

TrialPeak MemoryTrial::operator()(std::span<const MemoryStage> stages, const StageModes& modes,
                                  std::optional<uint64_t> budget) const {
  const PlanningDevice plan =
      model_.is_int8() ? open_planning_device(threads_, allows_int8) : open_planning_device(threads_);
  plan.memory.set_budget(budget);
  for (const MemoryStage stage : stages) run(stage, modes, *plan.device);
  return {.bytes = plan.memory.peak_held_bytes(), .tensor_bytes = plan.memory.peak_block_bytes()};
}

void MemoryTrial::run(MemoryStage stage, const StageModes& modes, const Device& device) const {
  const Weights weights = model_.weights().staying(modes.residency);
  const int64_t factor = model_.vae_factor();
  switch (stage) {
    case MemoryStage::text: return encode_text(weights, device);
    case MemoryStage::encoding: {
      if (job_.estimates_depth) {
        const DepthInputSize size = depth_input_size(job_.height_px, job_.width_px);
        const DepthNetwork estimate(depth_weights(weights, model_.checkpoint()));
        estimate(Tensor::empty(device, {1, size.height_px, size.width_px, 3}));
      }
      if (model_.tiny_encoder() != nullptr) return take_tiny_vae(device);
      const Weights vae = weights / Model::kVae;
      const VaeEncoder encode(vae, with_choices(VaeConfig::of_encoder(vae), model_.padding(), modes.encoder_bands));
      encode(Tensor::empty(device, {1, job_.height_px, job_.width_px, 3}));
      return;
    }
    case MemoryStage::sampling: return sample(weights, modes, device);
    case MemoryStage::decoding: break;
  }
  if (model_.tiny_decoder() != nullptr) return take_tiny_vae(device);
  const Weights vae = weights / Model::kVae;
  const VaeDecoder decode(vae, with_choices(VaeConfig::of_decoder(vae), model_.padding(), modes.decoder_bands));
  decode(Tensor::empty(device, {1, job_.height_px / factor, job_.width_px / factor, decode.config().latent_channels}));
}

// By its shapes: it has few layers, all of one width. The encoder goes the same way back.
void MemoryTrial::take_tiny_vae(const Device& device) const {
  const int64_t factor = model_.vae_factor();
  const uint64_t bytes = decoder_activation_bytes(model_, job_.height_px / factor, job_.width_px / factor);
  Tensor::empty(device, {static_cast<int64_t>(bytes / sizeof(float))});
}

void MemoryTrial::encode_text(const Weights& weights, const Device& device) const {
  const std::vector<int32_t> ids(kContextTokens, 0);
  TextEncoder(weights / Model::kTextEncoder)(Tensor::from(device, {1, kContextTokens}, std::span<const int32_t>(ids)));
}

void MemoryTrial::sample(const Weights& weights, const StageModes& modes, const Device& device) const {
  UNetConfig config = UNetConfig::from(weights / Model::kUnet);
  config.padding = model_.padding();
  const UNet unet(weights / Model::kUnet, config);
  const int64_t h = job_.height_px / model_.vae_factor();
  const int64_t w = job_.width_px / model_.vae_factor();
  const int64_t rows = job_.batch * job_.latents;
  const int64_t at_once = modes.rows_at_once == 0 ? rows : std::min(rows, modes.rows_at_once);
  const Tensor solver = Tensor::empty(device, {kSolverLatents * job_.batch, h, w, config.in_channels});
  const uint64_t beside = less_work_bytes(config, job_, h, w);
  const Tensor others = Tensor::empty(device, {1 + static_cast<int64_t>(beside / sizeof(float))});
  const std::vector<int32_t> labels(static_cast<size_t>(at_once), 0);
  const std::vector<float> timesteps(static_cast<size_t>(at_once), 0.0f);
  const TrialControls controls(job_, control_residency(modes), device);
  std::vector<UNet::Conditioning> conditionings;
  std::vector<std::vector<ControlNet::Conditioning>> control_conditionings;
  for (int64_t row = 0; row < rows; row += at_once) {
    const Tensor context = Tensor::empty(device, {at_once, kContextTokens, config.context_width});
    conditionings.push_back(unet.condition(context, labels));
    control_conditionings.push_back(controls.condition(context));
  }
  for (int step = 0; step < 2; ++step) {  // the second finds the blocks that the first left
    const Tensor x = Tensor::empty(device, {at_once, h, w, config.out_channels});
    const std::vector<Tensor> steered =
        steering(controls.controls, control_conditionings.front(), controls.acting, x, timesteps, std::nullopt);
    unet(Tensor::empty(device, {at_once, h, w, config.in_channels}), timesteps, conditionings.front(), {}, {}, steered);
  }
}

}  // namespace easel
