// Which tensors are quantised.
#include <algorithm>
#include <array>

#include "easel/base/text.h"
#include "easel/checkpoint/convert.h"

namespace easel {
namespace {

struct NamedType {
  std::string_view name;
  DType dtype;
};
constexpr std::array kTypes{
    NamedType{"f32", DType::f32},   NamedType{"f16", DType::f16},   NamedType{"bf16", DType::bf16},
    NamedType{"q8_0", DType::q8_0}, NamedType{"q5_1", DType::q5_1}, NamedType{"q5_0", DType::q5_0},
    NamedType{"q4_1", DType::q4_1}, NamedType{"q4_0", DType::q4_0},
};

// Small, and an error there reaches every pixel: the way into the UNet, out of it, and its time and class embeddings.
constexpr std::array<std::string_view, 4> kSensitive{
    "model.diffusion_model.input_blocks.0.0.",
    "model.diffusion_model.out.",
    "model.diffusion_model.time_embed.",
    "model.diffusion_model.label_emb.",
};
// The VAE shows every error as it is, so it gets no fewer than 8 bits.
constexpr std::array<std::string_view, 3> kVae{"first_stage_model.", "decoder.", "encoder."};
constexpr std::array<std::string_view, 3> kTables{"token_embedding.weight", "position_embedding.weight",
                                                  "positional_embedding"};

bool is_sensitive(const WeightData& tensor, DType type) {
  const std::string_view name = tensor.name;
  const auto begins = [&](std::string_view prefix) { return name.starts_with(prefix); };
  const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
  if (std::any_of(kSensitive.begin(), kSensitive.end(), begins)) return true;
  if (std::any_of(kTables.begin(), kTables.end(), ends)) return true;  // few rows are used
  return type != DType::q8_0 && std::any_of(kVae.begin(), kVae.end(), begins);
}

int64_t row_elements(const Shape& shape) { return shape.count() == 0 ? 0 : shape.count() / shape[0]; }

bool is_convolution(const Shape& shape) { return shape.rank() > 2; }

bool is_quantizable(const WeightData& tensor, DType type, bool keep_convolutions) {
  const Shape& shape = tensor.shape;
  if (shape.rank() < 2 || shape.count() == 0 || row_elements(shape) % block_of(type).elements != 0) return false;
  if (shape[0] == 1 || !tensor.name.ends_with("weight")) return false;
  if (keep_convolutions && is_convolution(shape)) return false;
  return !is_sensitive(tensor, type);
}

// Tables of the noise schedule, which have to be exact: "alphas_cumprod", "betas".
bool is_schedule(const WeightData& tensor) { return tensor.name.find('.') == std::string::npos; }

}  // namespace

std::span<const std::string_view> conversion_type_names() {
  static const auto names = [] {
    std::array<std::string_view, kTypes.size()> out;
    std::transform(kTypes.begin(), kTypes.end(), out.begin(), [](const NamedType& type) { return type.name; });
    return out;
  }();
  return names;
}

std::optional<DType> conversion_type(std::string_view name) {
  const std::string lower = lower_ascii(name);
  for (const NamedType& type : kTypes) {
    if (type.name == lower) return type.dtype;
  }
  return std::nullopt;
}

DType converted_type(const WeightData& tensor, CheckpointFormat out_format, const ConvertOptions& options) {
  const DType from = tensor.dtype;
  if (!is_floating(from) || is_schedule(tensor)) return from;
  if (!options.type) return is_quantized(from) && out_format == CheckpointFormat::safetensors ? DType::f16 : from;
  if (!is_quantized(*options.type)) return *options.type;
  if (is_quantizable(tensor, *options.type, options.keep_convolutions)) return *options.type;
  if (tensor.shape.rank() < 2) return from == DType::f64 || is_quantized(from) ? DType::f32 : from;
  return from == DType::bf16 ? DType::bf16 : DType::f16;
}

}  // namespace easel
