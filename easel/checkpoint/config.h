// The part of an original configuration file (v1-inference.yaml, v2-inference-v.yaml, ...) that decides how images come
// out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "easel/checkpoint/family.h"

namespace easel {

inline constexpr uint64_t kMaxConfigBytes = 64 * 1024;  // the published ones have about 2 kB

// What the file says; nothing where it is silent.
struct ModelConfig {
  std::optional<Parameterization> parameterization;
  std::optional<double> linear_start;
  std::optional<double> linear_end;
  std::optional<int64_t> timesteps;
  std::optional<double> scale_factor;
  std::optional<std::string> conditioning_key;  // "crossattn", "hybrid", "hybrid-adm"
  std::optional<int64_t> latent_size;           // `image_size`
  std::optional<int64_t> unet_in_channels;
};

// Throws Error not_found, io_failure, or bad_config that names the file, the key, what stands there and what was
// expected.
ModelConfig read_model_config(const std::filesystem::path& path);
ModelConfig parse_model_config(const std::string& file, std::string_view text);

}  // namespace easel
