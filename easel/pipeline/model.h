// Model: an opened checkpoint and its networks. Private to easel/pipeline.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "easel/adapter/lora_merge.h"
#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/family.h"
#include "easel/checkpoint/weights.h"
#include "easel/depth/depth_network.h"
#include "easel/pipeline/defaults.h"
#include "easel/pipeline/model_choice.h"
#include "easel/sampling/noise_schedule.h"
#include "easel/text_encoder/text_encoder.h"
#include "easel/unet/unet.h"
#include "easel/vae/tiny_vae.h"
#include "easel/vae/vae_decoder.h"
#include "easel/vae/vae_encoder.h"

namespace easel {

class Model {
 public:
  // Where the networks lie in a checkpoint.
  static constexpr std::string_view kTextEncoder = "cond_stage_model";
  static constexpr std::string_view kUnet = "model.diffusion_model";
  static constexpr std::string_view kVae = "first_stage_model";

  // Reads structure, not weights: those are read when a network first runs. Throws Error if the file is no checkpoint
  // of one of the families asked for, or is incomplete.
  explicit Model(const ModelOptions& options);

  const Checkpoint& checkpoint() const { return *checkpoint_; }
  std::string name() const;  // the file's name without its ending
  // model_hash.h; computed at the first call, during which `pulse` is called and may throw to stop.
  const std::string& hash(const std::function<void()>& pulse = {});
  Family family() const { return family_; }
  std::optional<ReducedNumbers> reduced() const { return reduced_; }  // the numbers of products, if not f32
  double scale_factor() const { return scale_factor_; }
  int64_t vae_factor() const;
  int64_t latent_channels() const;
  const NoiseSchedule& schedule() const { return schedule_; }

  // By option, configuration file, family or metadata; nothing if only a look at the network can tell (probe.h).
  const std::optional<Parameterization>& parameterization() const { return parameterization_; }
  void set_parameterization(Parameterization found) { parameterization_ = found; }

  const TextEncoder& text_encoder() const { return *text_encoder_; }
  const UNet& unet() const { return *unet_; }
  // Where a tiny VAE stands in for them, these two are not there.
  const VaeDecoder& vae_decoder() const { return *vae_decoder_; }
  const VaeEncoder& vae_encoder() const { return *vae_encoder_; }
  const TinyVaeDecoder* tiny_decoder() const { return vae_ ? &*vae_->decoder() : nullptr; }
  const TinyVaeEncoder* tiny_encoder() const { return vae_ && vae_->encoder() ? &*vae_->encoder() : nullptr; }
  // Of `preview_vae`, or of the tiny VAE that decodes anyway, or of the starter model's own; else nullptr.
  const TinyVaeDecoder* preview_decoder() const;
  bool preview_vae_is_chosen() const { return preview_vae_is_chosen_; }  // by `preview_vae`
  const DepthNetwork& depth_network() const { return *depth_network_; }

  // Makes an encoder, which only jobs that start from an image need. Throws Error bad_checkpoint if it is missing.
  void require_vae_encoder();
  // Makes depth_network(), which estimates depth. Throws likewise.
  void require_depth_network();

  // Throw Error bad_checkpoint if a LoRA does not fit.
  LoraMerger::Need lora_need(const std::vector<LoraUse>& loras);
  // From now on text encoder and UNet have these LoRAs worked into their weights, and no others. True if that changed
  // anything; only what changed is computed. `pulse` is called meanwhile and may throw to stop.
  bool set_loras(const std::vector<LoraUse>& loras, const Device& device, const std::function<void()>& pulse = {});

  // How the convolutions of UNet and VAE see the edges of an image. A change gives the memory of packed weights back.
  void set_padding(PaddingMode padding);

  PaddingMode padding() const { return padding_; }

  // Which weights stay in memory, and how the VAE computes, from now on.
  void arrange(const ResidencyPlan& residency, VaeBands encoder, VaeBands decoder);

  // Gives the memory of packed weights back; they are packed again at the next use.
  void unload_text_encoder();
  // That of all weights, and the pages of the file; all is read again at the next use.
  void unload_all();

  const Weights& weights() const { return weights_; }
  uint64_t file_bytes(std::string_view prefix) const;  // of tensors whose name begins so
  // The UNet's blocks in the file's order: what their tensors' names begin with, and their bytes.
  std::vector<std::pair<std::string, uint64_t>> unet_blocks() const;

 private:
  void open_unet();
  void open_vae_decoder();
  void open_vae_encoder();
  void open_tiny_vaes();
  Residency decoder_residency() const;
  // Throws Error bad_checkpoint if text encoder, UNet and VAE do not fit each other.
  void check_parts(const ModelOptions& options) const;

  Weights weights_over(const std::shared_ptr<const Checkpoint>& checkpoint) const;  // with another VAE, if there is one
  void use_weights(const std::shared_ptr<const Checkpoint>& checkpoint);
  LoraMerger& merger();

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::optional<LoraMerger> merger_;
  std::vector<LoraUse> loras_;
  Family family_;
  ResidencyPlan residency_;
  std::optional<ReducedNumbers> reduced_;
  std::optional<std::string> hash_;
  std::optional<Parameterization> parameterization_;
  double scale_factor_;
  NoiseSchedule schedule_;
  Weights weights_;
  PaddingMode padding_ = PaddingMode::zeros;
  VaeBands encoder_bands_ = VaeBands::kept;
  VaeBands decoder_bands_ = VaeBands::kept;
  std::optional<TextEncoder> text_encoder_;
  std::optional<UNet> unet_;
  std::shared_ptr<const Checkpoint> full_vae_file_;  // replaces the checkpoint's
  std::shared_ptr<const Checkpoint> vae_file_;       // a tiny VAE that replaces the checkpoint's
  std::shared_ptr<const Checkpoint> preview_file_;
  bool preview_vae_is_chosen_ = false;
  std::optional<TinyVae> vae_;
  std::optional<TinyVae> preview_vae_;
  std::optional<VaeDecoder> vae_decoder_;
  std::optional<VaeEncoder> vae_encoder_;
  std::optional<DepthNetwork> depth_network_;
};

}  // namespace easel
