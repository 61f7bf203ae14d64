#include "easel/adapter/lora.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>

#include "easel/adapter/lora_metadata.h"
#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/tensor/dtype.h"

namespace easel {
namespace {

constexpr int64_t kMaxRank = 4096;

enum class Role { down, up, mid, alpha };
struct Suffix {
  std::string_view text;
  Role role;
};
// The longer ones first where one ends in another.
constexpr std::array kSuffixes = {Suffix{".lora_down.weight", Role::down},
                                  Suffix{".lora_up.weight", Role::up},
                                  Suffix{".lora_mid.weight", Role::mid},
                                  Suffix{".lora_linear_layer.down.weight", Role::down},
                                  Suffix{".lora_linear_layer.up.weight", Role::up},
                                  Suffix{".lora.down.weight", Role::down},
                                  Suffix{".lora.up.weight", Role::up},
                                  Suffix{"_lora.down.weight", Role::down},
                                  Suffix{"_lora.up.weight", Role::up},
                                  Suffix{".lora_A.default.weight", Role::down},
                                  Suffix{".lora_B.default.weight", Role::up},
                                  Suffix{".lora_A.weight", Role::down},
                                  Suffix{".lora_B.weight", Role::up},
                                  Suffix{".alpha", Role::alpha}};

struct Unsupported {
  std::string_view text;
  std::string_view kind;
};
constexpr std::array kUnsupported = {Unsupported{"hada_w", "LoHa (Hadamard products)"},
                                     Unsupported{"lokr_w", "LoKr (Kronecker products)"},
                                     Unsupported{"dora_scale", "DoRA (dora_scale)"},
                                     Unsupported{"lora_magnitude_vector", "DoRA (lora_magnitude_vector)"},
                                     Unsupported{"oft_blocks", "OFT (orthogonal blocks)"},
                                     Unsupported{"oft_diag", "OFT (orthogonal blocks)"},
                                     Unsupported{".on_input", "IA3"},
                                     Unsupported{".a1.weight", "GLoRA"}};

struct Prefix {
  std::string_view text;
  LoraPart part;
};
constexpr std::array kPrefixes = {Prefix{"lora_unet_", LoraPart::unet},
                                  Prefix{"lora_te_", LoraPart::text_encoder},
                                  Prefix{"unet.base_model.model.", LoraPart::unet},
                                  Prefix{"text_encoder.base_model.model.", LoraPart::text_encoder},
                                  Prefix{"unet.", LoraPart::unet},
                                  Prefix{"text_encoder.", LoraPart::text_encoder},
                                  Prefix{"base_model.model.", LoraPart::unknown}};

std::optional<Suffix> suffix_of(std::string_view name) {
  for (const Suffix& suffix : kSuffixes) {
    if (name.ends_with(suffix.text)) return suffix;
  }
  return std::nullopt;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// "unet.down_blocks.0...attn1.processor.to_out" -> the key "down_blocks_0_..._attn1_to_out_0". Returns what follows the
// prefix.
std::string_view read_name(LoraLayer& layer) {
  std::string_view rest = layer.name;
  for (const Prefix& prefix : kPrefixes) {
    if (!rest.starts_with(prefix.text)) continue;
    rest.remove_prefix(prefix.text.size());
    layer.part = prefix.part;
    break;
  }
  layer.key = std::string(rest);
  const bool by_processor = layer.key.find(".processor.") != std::string::npos;
  replace_all(layer.key, ".processor.", ".");
  if (by_processor && layer.key.ends_with("to_out")) layer.key += ".0";
  std::replace(layer.key.begin(), layer.key.end(), '.', '_');
  return rest;
}

double number_in(const Checkpoint& checkpoint, const WeightData& tensor) {
  if (tensor.shape.count() != 1) {
    throw Error(ErrorCode::bad_checkpoint, "{}: {} is {}, expected a single number", checkpoint.file(), tensor.name,
                tensor.shape);
  }
  float value = 0.0f;
  convert_to_f32(tensor.dtype, tensor.bytes, std::span(&value, 1));
  if (!std::isfinite(value))
    throw Error(ErrorCode::bad_checkpoint, "{}: {} is no finite number", checkpoint.file(), tensor.name);
  return value;
}

bool is_matrix(const WeightData& tensor) { return tensor.shape.rank() == 2 || tensor.shape.rank() == 4; }

std::optional<std::string> fault_of(const LoraLayer& layer) {
  if (layer.down == nullptr || layer.up == nullptr) {
    return fmt::format("{} has no {}", layer.name, layer.down == nullptr ? "down" : "up");
  }
  const Shape &down = layer.down->shape, &up = layer.up->shape;
  bool fits = is_matrix(*layer.down) && is_matrix(*layer.up) && down.dim(0) >= 1 && down.dim(0) <= kMaxRank &&
              up.dim(1) == down.dim(0) && up.count() == up.dim(0) * up.dim(1);
  if (layer.mid != nullptr) {
    const Shape& mid = layer.mid->shape;
    fits = fits && mid.rank() == 4 && mid.dim(0) == down.dim(0) && mid.dim(1) == down.dim(0) &&
           down.count() == down.dim(0) * down.dim(1);
  }
  if (fits) return std::nullopt;
  return fmt::format("{}: down is {}, up is {}{}", layer.name, down, up,
                     layer.mid != nullptr ? fmt::format(", mid is {}", layer.mid->shape) : "");
}

void refuse_unsupported(const Checkpoint& checkpoint) {
  for (const WeightData& tensor : checkpoint.tensors()) {
    for (const Unsupported& unsupported : kUnsupported) {
      if (tensor.name.find(unsupported.text) == std::string::npos) continue;
      throw Error(ErrorCode::bad_checkpoint,
                  "{}: {} is of the kind {}, which easel does not apply; use a LoRA or LoCon file", checkpoint.file(),
                  tensor.name, unsupported.kind);
    }
  }
}

struct Parts {
  std::map<std::string, LoraLayer> layers;  // by name
  std::map<std::string, double> alphas;
  std::vector<std::string> faults;  // tensors that are no part of a layer
};

Parts collect(const Checkpoint& checkpoint) {
  Parts parts;
  for (const WeightData& tensor : checkpoint.tensors()) {
    const auto suffix = suffix_of(tensor.name);
    if (!suffix) {
      parts.faults.push_back(fmt::format("{} {}", tensor.name, tensor.shape));
      continue;
    }
    const std::string name = tensor.name.substr(0, tensor.name.size() - suffix->text.size());
    if (suffix->role == Role::alpha) {
      parts.alphas[name] = number_in(checkpoint, tensor);
      continue;
    }
    LoraLayer& layer = parts.layers[name];
    layer.name = name;
    (suffix->role == Role::down ? layer.down : suffix->role == Role::up ? layer.up : layer.mid) = &tensor;
  }
  return parts;
}

}  // namespace

bool is_lora(const Checkpoint& checkpoint) {
  const auto tensors = checkpoint.tensors();
  return std::any_of(tensors.begin(), tensors.end(), [](const WeightData& tensor) {
    const auto suffix = suffix_of(tensor.name);
    return suffix && suffix->role == Role::down;
  });
}

std::shared_ptr<const Lora> Lora::open(const std::filesystem::path& file) {
  return std::make_shared<const Lora>(Checkpoint::open(file));
}

Lora::Lora(std::shared_ptr<const Checkpoint> checkpoint) : checkpoint_(std::move(checkpoint)) {
  refuse_unsupported(*checkpoint_);
  if (!is_lora(*checkpoint_)) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: is no LoRA: it has no tensor such as ...lora_down.weight or ...lora_A.weight", file());
  }
  Parts parts = collect(*checkpoint_);
  for (auto& [name, layer] : parts.layers) {
    if (auto fault = fault_of(layer)) parts.faults.push_back(std::move(*fault));
  }
  for (const auto& [name, alpha] : parts.alphas) {
    if (!parts.layers.contains(name)) parts.faults.push_back(fmt::format("{}.alpha stands alone", name));
  }
  if (!parts.faults.empty()) {
    throw Error(ErrorCode::bad_checkpoint, "{}: {} tensors are no parts of a LoRA that easel knows: {}", file(),
                parts.faults.size(), fmt::join(parts.faults, "; "));
  }
  const auto metadata = LoraMetadata::of(*checkpoint_);
  for (auto& [name, layer] : parts.layers) {
    const std::string_view module = read_name(layer);
    const auto told = metadata ? metadata->scale(layer.part, module, layer.rank()) : std::nullopt;
    layer.scale = told.value_or(1.0);
    if (const auto alpha = parts.alphas.find(name); alpha != parts.alphas.end()) {
      layer.scale = alpha->second / static_cast<double>(layer.rank());
      if (told && std::abs(*told - layer.scale) > 1e-6 * std::abs(*told)) {
        throw Error(ErrorCode::bad_checkpoint,
                    "{}: {} is scaled by {} according to its alpha, but by {} according to lora_adapter_metadata",
                    file(), name, layer.scale, *told);
      }
    }
    layers_.push_back(std::move(layer));
  }
}

}  // namespace easel
