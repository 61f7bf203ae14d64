#include "easel/pipeline/model_trial.h"

#include <algorithm>
#include <numeric>

#include "easel/depth/depth_map.h"
#include "easel/image/image.h"
#include "easel/ops/arithmetic.h"
#include "easel/pipeline/depth.h"
#include "easel/pipeline/memory.h"
#include "easel/prompt/prompt_tokens.h"

namespace easel {
namespace {

// Latents that a solver holds beside those in the network: x, noise, predictions, what it remembers.
constexpr int64_t kSolverLatents = 8;

constexpr const char* kDepthPrefix = "depth_model.";

VaeConfig with_choices(VaeConfig config, PaddingMode padding, VaeBands bands) {
  config.padding = padding;
  config.bands = bands;
  return config;
}

}  // namespace

std::vector<MemoryStage> ModelTrial::stages() const {
  std::vector<MemoryStage> stages = {MemoryStage::text};
  if (job_.from_image) stages.push_back(MemoryStage::encoding);
  stages.push_back(MemoryStage::sampling);
  stages.push_back(MemoryStage::decoding);
  return stages;
}

std::vector<StageModes> ModelTrial::ladder(MemoryStage stage) const {
  StageModes modes;
  std::vector<StageModes> rungs;
  const auto add = [&](Residency residency) {
    modes.residency = residency;
    rungs.push_back(modes);
  };
  const bool encodes = stage == MemoryStage::encoding;
  if (encodes || stage == MemoryStage::decoding) {
    for (const VaeBands bands : {VaeBands::kept, VaeBands::recomputed}) {
      (encodes ? modes.encoder_bands : modes.decoder_bands) = bands;
      add(Residency::packed);
      add(Residency::streamed);
    }
    return rungs;
  }
  add(Residency::packed);
  add(Residency::streamed);
  if (stage != MemoryStage::sampling) return rungs;
  for (int64_t rows = job_.batch * job_.latents; rows > 1;) {
    rows = (rows + 1) / 2;
    modes.rows_at_once = rows;
    rungs.push_back(modes);
  }
  return rungs;
}

std::vector<std::string> ModelTrial::prefixes(MemoryStage stage) const {
  switch (stage) {
    case MemoryStage::text: return {fmt::format("{}.", Model::kTextEncoder)};
    case MemoryStage::sampling: return {fmt::format("{}.", Model::kUnet), std::string(OpenControlNet::kWeights)};
    case MemoryStage::encoding: return {fmt::format("{}.encoder.", Model::kVae), kDepthPrefix};
    case MemoryStage::decoding:
    case MemoryStage::network: break;
  }
  return {fmt::format("{}.decoder.", Model::kVae)};
}

uint64_t ModelTrial::weight_bytes(MemoryStage stage) const {
  uint64_t bytes = model_.file_bytes(prefixes(stage).front());
  if (stage == MemoryStage::encoding && job_.estimates_depth) bytes += model_.file_bytes(kDepthPrefix);
  if (stage == MemoryStage::sampling) {
    for (const auto& control_net : job_.controls) bytes += control_net->file_bytes();
  }
  return bytes;
}

uint64_t ModelTrial::lasting_bytes() const {
  return 2 * static_cast<uint64_t>(job_.batch * job_.width_px * job_.height_px * Image::kChannels) +
         job_.loras.kept_bytes;
}

std::string ModelTrial::subject() const {
  return fmt::format("{}x{} in batches of {} with {}", job_.width_px, job_.height_px, job_.batch, model_.name());
}

std::string ModelTrial::cure() const {
  return fmt::format("a smaller --width and --height{}", job_.batch > 1 ? " or a smaller --batch-size" : "");
}

void ModelTrial::run(MemoryStage stage, const StageModes& modes, const PlanningDevice& plan) const {
  const Weights weights = model_.weights().staying(modes.residency);
  switch (stage) {
    case MemoryStage::text: return encode_text(weights, *plan.device);
    case MemoryStage::encoding: return encode(weights, modes, *plan.device);
    case MemoryStage::sampling: return sample(weights, modes, plan);
    case MemoryStage::decoding: return decode(weights, modes, plan);
    case MemoryStage::network: break;
  }
  EASEL_ASSERT(false);
}

void ModelTrial::encode_text(const Weights& weights, const Device& device) const {
  const std::vector<int32_t> ids(kContextTokens, 0);
  TextEncoder(weights / Model::kTextEncoder)(Tensor::from(device, {1, kContextTokens}, std::span<const int32_t>(ids)));
}

void ModelTrial::encode(const Weights& weights, const StageModes& modes, const Device& device) const {
  const Tensor image = Tensor::empty(device, {1, job_.height_px, job_.width_px, Image::kChannels});
  if (job_.estimates_depth) DepthNetwork(depth_weights(weights, model_.checkpoint()))(depth_input(image));
  if (const TinyVaeEncoder* tiny = model_.tiny_encoder()) return static_cast<void>((*tiny)(image));
  const Weights vae = weights / Model::kVae;
  const RangeScope scope(device, ValueRange::wide);
  VaeEncoder(vae, with_choices(VaeConfig::of_encoder(vae), model_.padding(), modes.encoder_bands))(image);
}

void ModelTrial::decode(const Weights& weights, const StageModes& modes, const PlanningDevice& plan) const {
  const OtherMemory joined(plan, job_.decoding_bytes);
  const int64_t factor = model_.vae_factor();
  const Tensor latent =
      Tensor::empty(*plan.device, {1, job_.height_px / factor, job_.width_px / factor, model_.latent_channels()});
  if (const TinyVaeDecoder* tiny = model_.tiny_decoder()) return static_cast<void>((*tiny)(latent));
  const Weights vae = weights / Model::kVae;
  const RangeScope scope(*plan.device, ValueRange::wide);
  VaeDecoder(vae, with_choices(VaeConfig::of_decoder(vae), model_.padding(), modes.decoder_bands))(latent);
}

// As make_controls() would make them, of weights that stay as `modes` says.
std::vector<Control> ModelTrial::controls(const StageModes& modes, const Device& device) const {
  std::vector<Control> controls;
  for (const auto& opened : job_.controls) {
    const auto control_net = std::make_shared<OpenControlNet>(*opened);
    control_net->network = ControlNet(opened->weights.staying(modes.residency.of(OpenControlNet::kWeights)));
    const Tensor map = Tensor::empty(device, {1, job_.height_px, job_.width_px, Image::kChannels}) * 0.5f + 0.5f;
    controls.push_back({.control_net = control_net,
                        .hint = control_net->network.read_hint(map),
                        .weight = 0.5,
                        .start = 0.0,
                        .end = 1.0});
  }
  return controls;
}

void ModelTrial::sample(const Weights& weights, const StageModes& modes, const PlanningDevice& plan) const {
  UNetConfig config = UNetConfig::from(weights / Model::kUnet);
  config.padding = model_.padding();
  const UNet unet(weights / Model::kUnet, config);
  const Device& device = *plan.device;
  const int64_t h = job_.height_px / model_.vae_factor();
  const int64_t w = job_.width_px / model_.vae_factor();
  const int64_t rows = job_.batch * job_.latents;
  const int64_t at_once = modes.rows_at_once == 0 ? rows : std::min(rows, modes.rows_at_once);
  const OtherMemory beside(plan, less_work_bytes(config, job_, h, w) + job_.sampling_bytes);
  const Tensor solver = Tensor::empty(device, {kSolverLatents * job_.batch, h, w, config.in_channels});
  const std::vector<Control> controls = this->controls(modes, device);
  const std::vector<int32_t> labels(static_cast<size_t>(at_once), 0);
  const std::vector<float> timesteps(static_cast<size_t>(at_once), 0.0f);
  std::vector<size_t> acting(controls.size());
  std::iota(acting.begin(), acting.end(), size_t{0});
  std::vector<UNet::Conditioning> conditionings;
  std::vector<ControlNet::Conditioning> steering_conditionings;  // of all rows, one control after the other
  for (int64_t row = 0; row < rows; row += at_once) {
    const Tensor context = Tensor::empty(device, {at_once, kContextTokens, config.context_width});
    conditionings.push_back(unet.condition(context, labels));
    for (const Control& control : controls) steering_conditionings.push_back(control.network().condition(context));
  }
  for (int step = 0; step < 2; ++step) {  // the second finds the blocks that the first left
    const Tensor latents = Tensor::empty(device, {at_once, h, w, model_.latent_channels()});
    const std::vector<Tensor> added =
        steering(controls, steering_conditionings, acting, latents, timesteps, std::nullopt);
    unet(Tensor::empty(device, {at_once, h, w, config.in_channels}), timesteps, conditionings.front(), {}, {}, added);
  }
}

}  // namespace easel
