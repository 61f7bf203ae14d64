#include "easel/upscale/rrdbnet_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {
namespace {

using Tensors = std::vector<WeightData>;

constexpr std::string_view kFirstVersion = "model.1.sub.0.RDB1.conv1.0.weight";
constexpr std::string_view kRelease = "RRDB_trunk.0.RDB1.conv1.weight";
constexpr std::string_view kRealEsrgan = "body.0.rdb1.conv1.weight";
constexpr size_t kShownNames = 3;

// Other networks that enlarge images or are kept beside such, told by a tensor that only they have.
struct Foreign {
  std::string_view sign;  // part of a name
  std::string_view kind;
};
constexpr std::array kForeign{
    Foreign{"overlap_attn.", "a HAT network"},
    Foreign{"cpb_mlp.", "a Swin2SR network"},
    Foreign{"residual_group.blocks.", "a SwinIR network"},
    Foreign{"attn.attns.", "a DAT network"},
    Foreign{"conv1x1.", "an ESRGAN+ network (with 1x1 convolutions)"},
    Foreign{"stylegan_decoder.", "a GFPGAN face restorer"},
    Foreign{"quantize.embedding.", "a CodeFormer face restorer"},
    Foreign{"m_head.", "an SCUNet network"},
    Foreign{"head.0.", "an EDSR or RCAN network"},
    Foreign{"model.diffusion_model.", "a latent diffusion checkpoint"},
};

bool has_part(const Tensors& tensors, std::string_view part) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const WeightData& tensor) { return tensor.name.find(part) != std::string::npos; });
}

const WeightData* find(const Tensors& tensors, std::string_view name) {
  const auto at = std::find_if(tensors.begin(), tensors.end(), [&](const auto& tensor) { return tensor.name == name; });
  return at == tensors.end() ? nullptr : &*at;
}

std::string_view foreign_kind_of(const Tensors& tensors) {
  for (const Foreign& foreign : kForeign) {
    if (has_part(tensors, foreign.sign)) return foreign.kind;
  }
  // A flat list of convolutions, and between them the slopes of PReLU.
  const WeightData* slopes = find(tensors, "body.1.weight");
  if (slopes != nullptr && slopes->shape.rank() == 1) return "a compact Real-ESRGAN network (SRVGG)";
  return "no network that is known here";
}

// Some names for a message; none that would confuse a terminal.
std::string names_of(const Tensors& tensors) {
  const auto is_plain = [](char c) { return c > ' ' && c <= '~'; };
  std::vector<std::string> names;
  for (const WeightData& tensor : tensors) {
    if (std::all_of(tensor.name.begin(), tensor.name.end(), is_plain)) names.push_back(tensor.name);
  }
  return join_shortened(names, kShownNames);
}

// The tensors of the network itself, without the name of the dict they were saved in.
Tensors unwrapped(const Checkpoint& checkpoint) {
  std::string_view wrapper;
  for (const std::string_view name : {"params.", "params_ema."}) {
    if (checkpoint.has_prefix(name)) wrapper = name;
  }
  Tensors tensors;
  for (const WeightData& tensor : checkpoint.tensors()) {
    if (!tensor.name.starts_with(wrapper)) continue;
    tensors.push_back(tensor);
    tensors.back().name.erase(0, wrapper.size());
  }
  return tensors;
}

// "8" of "model.8.weight"; nothing for other names.
std::optional<int64_t> number_between(std::string_view name, std::string_view before, std::string_view after) {
  if (!name.starts_with(before) || !name.ends_with(after) || name.size() < before.size() + after.size()) {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(before.size(), name.size() - before.size() - after.size());
  int64_t number = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool is_number = result.ec == std::errc() && result.ptr == digits.data() + digits.size() && number >= 0;
  return is_number ? std::optional(number) : std::nullopt;
}

// By layer: "model.0" -> "conv_first".
using LayerNames = std::map<std::string, std::string>;

LayerNames release_names() {
  return {{"trunk_conv", "conv_body"}, {"upconv1", "conv_up1"}, {"upconv2", "conv_up2"}, {"HRconv", "conv_hr"}};
}

// The layers around the blocks bear their places in an nn.Sequential, where layers without weights count too.
LayerNames first_version_names(const Tensors& tensors) {
  std::vector<int64_t> places;  // model.N behind the blocks
  LayerNames names{{"model.0", "conv_first"}};
  for (const WeightData& tensor : tensors) {
    if (const auto place = number_between(tensor.name, "model.", ".weight"); place && *place > 1) {
      places.push_back(*place);
    }
    if (const auto place = number_between(tensor.name, "model.1.sub.", ".weight")) {
      names[fmt::format("model.1.sub.{}", *place)] = "conv_body";
    }
  }
  std::sort(places.begin(), places.end());
  for (size_t i = 0; i < places.size(); ++i) {
    const size_t left = places.size() - i;
    const std::string name = left == 1 ? "conv_last" : left == 2 ? "conv_hr" : fmt::format("conv_up{}", i + 1);
    names[fmt::format("model.{}", places[i])] = name;
  }
  return names;
}

// "RRDB_trunk.3.RDB1.conv2" and "model.1.sub.3.RDB1.conv2.0" -> "body.3.rdb1.conv2"
std::string block_layer(std::string_view layer, std::string_view before) {
  std::string rest(layer.substr(before.size()));
  if (const size_t at = rest.find(".RDB"); at != std::string::npos) rest.replace(at, 4, ".rdb");
  if (rest.ends_with(".0")) rest.erase(rest.size() - 2);
  return fmt::format("body.{}", rest);
}

void rename(Tensors& tensors, const LayerNames& names, std::string_view blocks) {
  for (WeightData& tensor : tensors) {
    const size_t dot = tensor.name.rfind('.');
    if (dot == std::string::npos) continue;
    const std::string layer = tensor.name.substr(0, dot);
    const std::string kind = tensor.name.substr(dot);  // ".weight"
    if (const auto at = names.find(layer); at != names.end()) {
      tensor.name = at->second + kind;
    } else if (layer.starts_with(blocks)) {
      tensor.name = block_layer(layer, blocks) + kind;
    }
  }
}

void use_real_esrgan_names(const Checkpoint& checkpoint, Tensors& tensors) {
  const bool is_variation = has_part(tensors, "conv1x1.");
  if (!is_variation && find(tensors, kFirstVersion) != nullptr) {
    rename(tensors, first_version_names(tensors), "model.1.sub.");
  } else if (!is_variation && find(tensors, kRelease) != nullptr) {
    rename(tensors, release_names(), "RRDB_trunk.");
  } else if (is_variation || find(tensors, kRealEsrgan) == nullptr) {
    throw Error(ErrorCode::bad_checkpoint,
                "{} is {} (it has tensors such as {}); easel upscales with ESRGAN and Real-ESRGAN networks (RRDBNet) "
                "and with the x4 diffusion upscaler",
                checkpoint.file(), foreign_kind_of(tensors), names_of(tensors));
  }
}

// Each convolution has a weight and a bias.
size_t tensor_count(const RrdbNetConfig& config) {
  constexpr int64_t kConvsOfBlock = 3 * 5;
  constexpr int64_t kOtherConvs = 4;
  return static_cast<size_t>(2 * (kConvsOfBlock * config.blocks + kOtherConvs + config.doublings));
}

}  // namespace

RrdbNet read_rrdbnet(const std::shared_ptr<const Checkpoint>& checkpoint, Residency residency) {
  Tensors tensors = unwrapped(*checkpoint);
  use_real_esrgan_names(*checkpoint, tensors);
  const size_t found = tensors.size();
  const auto renamed = Checkpoint::from_tensors(checkpoint->file(), std::move(tensors));
  const Weights weights(renamed, residency);
  RrdbNet network(weights, RrdbNetConfig::from(*renamed));
  weights.require_complete();
  if (const size_t expected = tensor_count(network.config()); found != expected) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: holds {} tensors, but an ESRGAN network of {} blocks has {}; it is a variation that easel does "
                "not read",
                checkpoint->file(), found, network.config().blocks, expected);
  }
  return network;
}

}  // namespace easel
