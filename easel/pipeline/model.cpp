#include "easel/pipeline/model.h"

#include <algorithm>
#include <string_view>

#include "easel/base/error.h"
#include "easel/checkpoint/config.h"
#include "easel/checkpoint/tiny_vae_file.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/depth.h"
#include "easel/pipeline/model_hash.h"

namespace easel {
namespace {

constexpr std::string_view kStarterName = "starter";  // "easel.name" in the metadata

ModelConfig config_of(const ModelOptions& options) {
  return options.config ? read_model_config(*options.config) : ModelConfig{};
}

Family accepted_family(const Checkpoint& checkpoint, std::span<const Family> accepted) {
  const Family family = detect_family(checkpoint);
  if (std::find(accepted.begin(), accepted.end(), family) != accepted.end()) return family;
  throw Error(ErrorCode::invalid_request, "{} is a {} checkpoint, {}", checkpoint.file(), name_of(family),
              family == Family::x4_upscaler
                  ? "which enlarges images: use it with 'easel upscale'"
                  : "which makes no image larger; expected an x4 upscaler checkpoint or an ESRGAN network");
}

void check_config(const ModelConfig& config, const ModelOptions& options, Family family) {
  const int64_t expected = defaults_of(family).unet_in_channels;
  if (!config.unet_in_channels || *config.unet_in_channels == expected) return;
  throw Error(ErrorCode::bad_config, "{}: its UNet has {} input channels, but {} is {}, which has {}",
              options.config->string(), *config.unet_in_channels, options.checkpoint.string(), name_of(family),
              expected);
}

// Training tools and the modelspec standard note what a network predicts.
std::optional<Parameterization> from_metadata(const Checkpoint& checkpoint) {
  const auto at = checkpoint.metadata().find("modelspec.prediction_type");
  if (at == checkpoint.metadata().end()) return std::nullopt;
  if (at->second == "epsilon") return Parameterization::eps;
  if (at->second == "v") return Parameterization::v;
  return std::nullopt;
}

std::optional<Parameterization> known_parameterization(const ModelOptions& options, const ModelConfig& config,
                                                       const Checkpoint& checkpoint, Family family) {
  if (options.parameterization) return options.parameterization;
  if (config.parameterization) return config.parameterization;
  if (const auto noted = from_metadata(checkpoint)) return noted;
  // The scripts' configuration files of SD 1 say nothing, which means eps.
  return defaults_of(family).parameterization;
}

bool is_same(const LoraUse& a, const LoraUse& b) {
  return a.lora == b.lora && a.unet_weight == b.unet_weight && a.text_encoder_weight == b.text_encoder_weight;
}

bool has_tiny_decoder(const Checkpoint& checkpoint) {
  const auto layout = tiny_vae_layout(checkpoint);
  return layout && layout->decoder;
}

void require_small_latents(Family family, const Checkpoint& tiny_vae) {
  if (family != Family::x4_upscaler) return;
  throw Error(ErrorCode::invalid_request,
              "{} is a tiny VAE of Stable Diffusion, which does not go with the x4 upscaler", tiny_vae.file());
}

// The starter model's previews need no option.
std::shared_ptr<const Checkpoint> open_preview_vae(const ModelOptions& options, const Checkpoint& checkpoint) {
  std::optional<std::filesystem::path> path = options.preview_vae;
  const auto name = checkpoint.metadata().find("easel.name");
  const bool is_starter = name != checkpoint.metadata().end() && name->second == kStarterName;
  if (!path && is_starter) path = find_asset(kStarterTinyVae);
  if (!path) return nullptr;
  auto file = Checkpoint::open(*path);
  if (has_tiny_decoder(*file)) return file;
  throw Error(
      ErrorCode::bad_checkpoint,
      "{} is {}; --preview-vae takes the decoder of a tiny VAE (TAESD: taesd_decoder, or a file with both halves)",
      file->file(), foreign_kind(*file).value_or("no tiny VAE"));
}

}  // namespace

Model::Model(const ModelOptions& options)
    : checkpoint_(Checkpoint::open(options.checkpoint)),
      family_(accepted_family(*checkpoint_, options.families)),
      reduced_(options.reduced),
      weights_(checkpoint_) {
  if (options.vae) {
    auto vae = Checkpoint::open(*options.vae);
    if (has_tiny_decoder(*vae)) {
      require_small_latents(family_, *vae);
      vae_file_ = std::move(vae);
    } else {
      require_vae(*vae);
      full_vae_file_ = std::move(vae);
      weights_ = weights_over(checkpoint_);
    }
  }
  preview_file_ = open_preview_vae(options, *checkpoint_);
  preview_vae_is_chosen_ = options.preview_vae.has_value();
  const ModelConfig config = config_of(options);
  check_config(config, options, family_);
  parameterization_ = known_parameterization(options, config, *checkpoint_, family_);
  const FamilyDefaults defaults = defaults_of(family_);
  scale_factor_ = config.scale_factor.value_or(defaults.scale_factor);
  schedule_ = NoiseSchedule({.beta_start = config.linear_start.value_or(defaults.linear_start),
                             .beta_end = config.linear_end.value_or(defaults.linear_end)});
  text_encoder_.emplace(weights_ / kTextEncoder);
  open_unet();
  open_tiny_vaes();
  open_vae_decoder();
  weights_.require_complete();
  check_parts(options);
}

void Model::check_parts(const ModelOptions& options) const {
  if (const int64_t given = text_encoder().config().width, taken = unet().config().context_width; given != taken) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: the text encoder gives {} numbers for a token, but the UNet takes {}; they are parts of different "
                "models",
                options.checkpoint.string(), given, taken);
  }
  const auto check_factor = [&](const std::string& file, int64_t factor) {
    if (const int64_t expected = defaults_of(family_).vae_factor; factor != expected) {
      throw Error(ErrorCode::bad_checkpoint, "{}: this VAE makes {} pixels of a latent's side, expected {}", file,
                  factor, expected);
    }
  };
  check_factor(options.vae.value_or(options.checkpoint).string(), vae_factor());
  if (tiny_encoder() != nullptr) check_factor(vae_file_->file(), tiny_encoder()->config().factor());
  if (preview_file_) check_factor(preview_file_->file(), preview_decoder()->config().factor());
}

void Model::require_vae_encoder() {
  if (vae_encoder_ || tiny_encoder() != nullptr) return;
  open_vae_encoder();
  weights_.require_complete();
}

void Model::require_depth_network() {
  if (depth_network_) return;
  depth_network_.emplace(depth_weights(weights_, *checkpoint_));
  weights_.require_complete();
}

int64_t Model::vae_factor() const {
  return tiny_decoder() != nullptr ? tiny_decoder()->config().factor() : vae_decoder_->config().factor();
}

int64_t Model::latent_channels() const {
  return tiny_decoder() != nullptr ? kTinyVaeLatentChannels : vae_decoder_->config().latent_channels;
}

const TinyVaeDecoder* Model::preview_decoder() const {
  return preview_vae_ ? &*preview_vae_->decoder() : tiny_decoder();
}

std::string Model::name() const { return std::filesystem::path(checkpoint_->file()).stem().string(); }

const std::string& Model::hash(const std::function<void()>& pulse) {
  if (!hash_) hash_ = model_hash(checkpoint_->file(), model_hash_cache(), pulse);
  return *hash_;
}

void Model::unload_text_encoder() { text_encoder_.emplace(weights_ / kTextEncoder); }

void Model::unload_all() {
  text_encoder_.emplace(weights_ / kTextEncoder);
  open_unet();
  open_tiny_vaes();
  open_vae_decoder();
  if (vae_encoder_) open_vae_encoder();
  if (depth_network_) depth_network_.emplace(depth_weights(weights_, *checkpoint_));
  if (const MappedFile* mapping = checkpoint_->mapping()) mapping->release_pages(mapping->bytes());
}

void Model::arrange(const ResidencyPlan& residency, VaeBands encoder, VaeBands decoder) {
  if (residency == residency_ && encoder == encoder_bands_ && decoder == decoder_bands_) return;
  residency_ = residency;
  encoder_bands_ = encoder;
  decoder_bands_ = decoder;
  weights_ = weights_.staying(residency);
  unload_all();
}

uint64_t Model::file_bytes(std::string_view prefix) const {
  uint64_t bytes = 0;
  for (const WeightData& tensor : checkpoint_->tensors()) {
    if (tensor.name.starts_with(prefix)) bytes += tensor.bytes.size();
  }
  return bytes;
}

std::vector<std::pair<std::string, uint64_t>> Model::unet_blocks() const {
  std::vector<std::pair<std::string, uint64_t>> blocks;
  const auto component = [](const std::string& name, size_t from) {
    return std::min(name.find('.', from), name.size());
  };
  for (const WeightData& tensor : checkpoint_->tensors()) {  // sorted by name: those of a block are neighbours
    if (!tensor.name.starts_with(kUnet)) continue;
    const size_t kind_end = component(tensor.name, kUnet.size() + 1);
    const std::string block = tensor.name.substr(0, component(tensor.name, kind_end + 1) + 1);
    if (blocks.empty() || blocks.back().first != block) blocks.emplace_back(block, 0);
    blocks.back().second += tensor.bytes.size();
  }
  return blocks;
}

LoraMerger& Model::merger() {
  if (!merger_) merger_.emplace(checkpoint_);
  return *merger_;
}

LoraMerger::Need Model::lora_need(const std::vector<LoraUse>& loras) {
  return loras.empty() ? LoraMerger::Need{} : merger().need(loras);
}

bool Model::set_loras(const std::vector<LoraUse>& loras, const Device& device, const std::function<void()>& pulse) {
  if (std::equal(loras.begin(), loras.end(), loras_.begin(), loras_.end(), is_same)) return false;
  loras_.clear();
  use_weights(checkpoint_);  // gives the memory of what was merged before back
  use_weights(merger().merge(loras, device, pulse));
  loras_ = loras;
  return true;
}

Weights Model::weights_over(const std::shared_ptr<const Checkpoint>& checkpoint) const {
  const Weights weights(checkpoint, residency_);
  return full_vae_file_ == nullptr ? weights : weights.overlay(kVae, full_vae_file_);
}

void Model::use_weights(const std::shared_ptr<const Checkpoint>& checkpoint) {
  weights_ = weights_over(checkpoint);
  text_encoder_.emplace(weights_ / kTextEncoder);
  open_unet();
  weights_.require_complete();
}

void Model::set_padding(PaddingMode padding) {
  if (padding == padding_) return;
  padding_ = padding;
  open_unet();
  open_tiny_vaes();
  open_vae_decoder();
  if (vae_encoder_) open_vae_encoder();
}

void Model::open_unet() {
  UNetConfig config = UNetConfig::from(weights_ / kUnet);
  config.padding = padding_;
  unet_.emplace(weights_ / kUnet, config);
}

Residency Model::decoder_residency() const { return residency_.of(fmt::format("{}.decoder.", kVae)); }

void Model::open_tiny_vaes() {
  if (vae_file_) vae_ = TinyVae::of(vae_file_, decoder_residency(), padding_);
  if (preview_file_) preview_vae_ = TinyVae::of(preview_file_, decoder_residency(), padding_);
}

void Model::open_vae_decoder() {
  if (tiny_decoder() != nullptr) return;
  VaeConfig config = VaeConfig::of_decoder(weights_ / kVae);
  config.padding = padding_;
  config.bands = decoder_bands_;
  vae_decoder_.emplace(weights_ / kVae, config);
}

void Model::open_vae_encoder() {
  VaeConfig config = VaeConfig::of_encoder(weights_ / kVae);
  config.padding = padding_;
  config.bands = encoder_bands_;
  vae_encoder_.emplace(weights_ / kVae, config);
}

}  // namespace easel
