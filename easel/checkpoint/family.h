// Which model a checkpoint is, from its keys and shapes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "easel/checkpoint/checkpoint.h"

namespace easel {

enum class Family { sd1, sd1_inpaint, sd2, sd2_inpaint, sd2_depth, x4_upscaler };

// What the network predicts, as configuration files call it.
enum class Parameterization { eps, v };

std::string_view name_of(Family family);                      // "SD 2.x depth"
std::string_view name_of(Parameterization parameterization);  // "v"

// What a family's published configuration says.
struct FamilyDefaults {
  std::optional<Parameterization> parameterization;  // nothing: base and v models have the same tensors
  int64_t unet_in_channels;
  double linear_start;  // beta at timestep 0
  double linear_end;    // beta at timestep 999
  double scale_factor;  // of the latent
  int64_t vae_factor;   // pixels of a latent's pixel, in each direction
  int64_t size_px;      // width and height it was trained for; of the low-resolution image for the upscaler
};
FamilyDefaults defaults_of(Family family);

// Width and height to draw when nobody says: an SD 2 v model was trained for 768, its base model for 512.
int64_t default_size_px(Family family, Parameterization parameterization);

// Throws Error bad_checkpoint that says what the file is instead: SDXL, Flux, a LoRA, a VAE alone, ...
Family detect_family(const Checkpoint& checkpoint);

// "an SDXL base checkpoint"; nothing if it is a family of easel's or unknown.
std::optional<std::string> foreign_kind(const Checkpoint& checkpoint);

// Throws Error bad_checkpoint unless `checkpoint` has a VAE decoder of the original layout, with or without
// `first_stage_model.`: what `--vae` takes.
void require_vae(const Checkpoint& checkpoint);

}  // namespace easel
