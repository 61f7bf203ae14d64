#include "easel/checkpoint/family.h"

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/checkpoint/contents.h"
#include "easel/checkpoint/foreign.h"

namespace easel {
namespace {

constexpr std::string_view kUnetInput = "model.diffusion_model.input_blocks.0.0.weight";  // [c, in, 3, 3]
constexpr std::string_view kProjIn = "model.diffusion_model.input_blocks.1.1.proj_in.weight";
constexpr std::string_view kMiddleProjIn = "model.diffusion_model.middle_block.1.proj_in.weight";
constexpr std::string_view kFinalNorm = "cond_stage_model.transformer.text_model.final_layer_norm.weight";
constexpr int64_t kOpenClipWidth = 1024;
constexpr std::string_view kNoiseLevels = "model.diffusion_model.label_emb.weight";
constexpr std::string_view kWhatIsRead =
    "easel reads SD 1.x and 2.x checkpoints (also inpainting, SD 2 depth and the x4 upscaler)";

// SD 2 replaced the text encoder, and the 1x1 convolutions around its transformers by linear layers. Files that
// stable-diffusion.cpp converted have the encoder under SD 1's names, and convolutions again: its width remains.
bool is_second_generation(const Checkpoint& checkpoint) {
  if (checkpoint.has_prefix("cond_stage_model.model.")) return true;
  const WeightData* norm = checkpoint.find(kFinalNorm);
  if (norm != nullptr) return norm->shape.count() == kOpenClipWidth;
  if (checkpoint.has_prefix("cond_stage_model.transformer.")) return false;
  const WeightData* projection = checkpoint.find(kProjIn);
  if (projection == nullptr) projection = checkpoint.find(kMiddleProjIn);
  return projection != nullptr && projection->shape.rank() == 2;
}

[[noreturn]] void refuse(const Checkpoint& checkpoint, std::string_view kind, std::string_view cure = {}) {
  throw Error(ErrorCode::bad_checkpoint, "{} is {}; {}{}{}", checkpoint.file(), kind, kWhatIsRead,
              cure.empty() ? "" : "; ", cure);
}

[[noreturn]] void refuse_unknown(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const WeightData& tensor : checkpoint.tensors().first(std::min<size_t>(checkpoint.tensors().size(), 3))) {
    names.push_back(in_quotes(tensor.name));
  }
  refuse(checkpoint, fmt::format("no checkpoint of a known family: it has {} tensors such as {} and no {}",
                                 checkpoint.tensors().size(), join_shortened(names, 3), kUnetInput));
}

}  // namespace

std::string_view name_of(Family family) {
  switch (family) {
    case Family::sd1: return "SD 1.x";
    case Family::sd1_inpaint: return "SD 1.x inpainting";
    case Family::sd2: return "SD 2.x";
    case Family::sd2_inpaint: return "SD 2.x inpainting";
    case Family::sd2_depth: return "SD 2.x depth";
    case Family::x4_upscaler: break;
  }
  return "x4 upscaler";
}

std::string_view name_of(Parameterization parameterization) {
  return parameterization == Parameterization::v ? "v" : "eps";
}

FamilyDefaults defaults_of(Family family) {
  FamilyDefaults defaults{.parameterization = Parameterization::eps,
                          .unet_in_channels = 4,
                          .linear_start = 0.00085,
                          .linear_end = 0.0120,
                          .scale_factor = 0.18215,
                          .vae_factor = 8,
                          .size_px = 512};
  switch (family) {
    case Family::sd1: break;
    case Family::sd2: defaults.parameterization = std::nullopt; break;
    case Family::sd1_inpaint:
    case Family::sd2_inpaint: defaults.unet_in_channels = 9; break;
    case Family::sd2_depth: defaults.unet_in_channels = 5; break;
    case Family::x4_upscaler:
      defaults = {.parameterization = Parameterization::v,
                  .unet_in_channels = 7,
                  .linear_start = 0.0001,
                  .linear_end = 0.02,
                  .scale_factor = 0.08333,
                  .vae_factor = 4,
                  .size_px = 128};
  }
  return defaults;
}

int64_t default_size_px(Family family, Parameterization parameterization) {
  if (family == Family::sd2 && parameterization == Parameterization::v) return 768;
  return defaults_of(family).size_px;
}

Family detect_family(const Checkpoint& checkpoint) {
  if (const auto foreign = find_foreign_kind(checkpoint)) refuse(checkpoint, foreign->kind, foreign->cure);
  const WeightData* input = checkpoint.find(kUnetInput);
  if (input == nullptr) refuse_unknown(checkpoint);
  const bool second = is_second_generation(checkpoint);
  const int64_t channels = input->shape.rank() == 4 ? input->shape[1] : 0;
  switch (channels) {
    case 4: return second ? Family::sd2 : Family::sd1;
    case 9: return second ? Family::sd2_inpaint : Family::sd1_inpaint;
    case 5:
      if (second) return Family::sd2_depth;
      break;
    case 7:
      if (checkpoint.find(kNoiseLevels) != nullptr) return Family::x4_upscaler;
      break;
    case 8: refuse(checkpoint, "an InstructPix2Pix or Zero123 checkpoint (8 UNet input channels)");
    default: break;
  }
  refuse(checkpoint, fmt::format("a latent diffusion checkpoint of an unknown kind: {} is {}, expected 4, 5, 7 or 9 "
                                 "input channels",
                                 kUnetInput, input->shape));
}

std::optional<std::string> foreign_kind(const Checkpoint& checkpoint) {
  const auto foreign = find_foreign_kind(checkpoint);
  if (!foreign) return std::nullopt;
  return std::string(foreign->kind);
}

void require_vae(const Checkpoint& checkpoint) {
  if (checkpoint.has_prefix("first_stage_model.decoder.conv_in.")) return;
  const bool bare = checkpoint.has_prefix("decoder.conv_in.") && checkpoint.has_prefix("decoder.mid.");
  if (bare) return;
  const auto foreign = find_foreign_kind(checkpoint);
  throw Error(ErrorCode::bad_checkpoint,
              "{} is {}; --vae takes a VAE of the original layout (decoder.conv_in.weight, decoder.mid..., with or "
              "without first_stage_model), or a tiny one (TAESD) with its decoder",
              checkpoint.file(), foreign ? foreign->kind : "no VAE");
}

}  // namespace easel
