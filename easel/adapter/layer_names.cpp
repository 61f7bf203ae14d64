#include "easel/adapter/layer_names.h"

#include <array>
#include <utility>
#include <vector>

#include "easel/base/text.h"

namespace easel {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;  // original, diffusers
constexpr std::array kResBlockParts = {Pair{"in_layers.0", "norm1"},          Pair{"in_layers.2", "conv1"},
                                       Pair{"emb_layers.1", "time_emb_proj"}, Pair{"out_layers.0", "norm2"},
                                       Pair{"out_layers.3", "conv2"},         Pair{"skip_connection", "conv_shortcut"}};
constexpr std::array kOuterParts = {
    Pair{"input_blocks.0.0", "conv_in"}, Pair{"time_embed.0", "time_embedding.linear_1"},
    Pair{"time_embed.2", "time_embedding.linear_2"}, Pair{"out.0", "conv_norm_out"}, Pair{"out.2", "conv_out"}};
constexpr std::array kMiddle = {Pair{"0", "resnets.0"}, Pair{"1", "attentions.0"}, Pair{"2", "resnets.1"}};

// `name` with its beginning exchanged where that is one of `pairs`, followed by nothing or a point.
template <size_t kCount>
std::optional<std::string> exchanged(std::string_view name, const std::array<Pair, kCount>& pairs, bool to_diffusers) {
  for (const auto& [original, diffusers] : pairs) {
    const std::string_view from = to_diffusers ? original : diffusers, to = to_diffusers ? diffusers : original;
    if (!name.starts_with(from)) continue;
    const std::string_view rest = name.substr(from.size());
    if (rest.empty() || rest.front() == '.') return fmt::format("{}{}", to, rest);
  }
  return std::nullopt;
}

// Takes "NUMBER." off the front.
std::optional<int64_t> take_number(std::string_view& name) {
  const size_t point = name.find('.');
  if (point == std::string_view::npos) return std::nullopt;
  const auto number = parse_number<int64_t>(name.substr(0, point));
  if (!number || *number < 0 || *number > 1000) return std::nullopt;
  name.remove_prefix(point + 1);
  return number;
}

bool take(std::string_view& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  return true;
}

// rest: what follows "input_blocks." or "output_blocks."
std::optional<std::string> diffusers_block_name(std::string_view rest, int64_t res_blocks, bool down) {
  const auto index = take_number(rest);
  const auto layer = take_number(rest);
  if (!index || !layer || (down && *index == 0)) return std::nullopt;
  const int64_t number = *index - (down ? 1 : 0);
  const int64_t level = number / (res_blocks + 1), block = number % (res_blocks + 1);
  const std::string head = fmt::format("{}_blocks.{}", down ? "down" : "up", level);
  if (take(rest, "op")) return fmt::format("{}.downsamplers.0.conv{}", head, rest);
  if (*layer > 0 && take(rest, "conv")) return fmt::format("{}.upsamplers.0.conv{}", head, rest);
  if (*layer == 1) return fmt::format("{}.attentions.{}.{}", head, block, rest);
  const auto part = exchanged(rest, kResBlockParts, true);
  if (*layer != 0 || !part) return std::nullopt;
  return fmt::format("{}.resnets.{}.{}", head, block, *part);
}

}  // namespace

std::optional<std::string> diffusers_unet_name(std::string_view original, int64_t res_blocks) {
  if (auto outer = exchanged(original, kOuterParts, true)) return outer;
  std::string_view rest = original;
  if (take(rest, "input_blocks.")) return diffusers_block_name(rest, res_blocks, true);
  if (take(rest, "output_blocks.")) return diffusers_block_name(rest, res_blocks, false);
  if (!take(rest, "middle_block.")) return std::nullopt;
  const std::string_view layer = rest.substr(0, rest.find('.'));
  if (layer.size() == rest.size()) return std::nullopt;
  const auto renamed = exchanged(layer, kMiddle, true);
  rest.remove_prefix(layer.size() + 1);
  if (!renamed) return std::nullopt;
  if (layer == "1") return fmt::format("mid_block.{}.{}", *renamed, rest);
  const auto part = exchanged(rest, kResBlockParts, true);
  return part ? std::optional(fmt::format("mid_block.{}.{}", *renamed, *part)) : std::nullopt;
}

std::optional<std::string> original_unet_name(std::string_view diffusers, int64_t res_blocks) {
  if (auto outer = exchanged(diffusers, kOuterParts, false)) return outer;
  std::string_view rest = diffusers;
  if (take(rest, "mid_block.")) {
    for (const auto& [index, name] : kMiddle) {
      std::string_view below = rest;
      if (!take(below, fmt::format("{}.", name))) continue;
      if (index == "1") return fmt::format("middle_block.1.{}", below);
      if (const auto part = exchanged(below, kResBlockParts, false))
        return fmt::format("middle_block.{}.{}", index, *part);
    }
    return std::nullopt;
  }
  const bool down = take(rest, "down_blocks.");
  if (!down && !take(rest, "up_blocks.")) return std::nullopt;
  const auto level = take_number(rest);
  if (!level) return std::nullopt;
  const int64_t first = *level * (res_blocks + 1) + (down ? 1 : 0);
  if (take(rest, "downsamplers.0.conv")) return fmt::format("input_blocks.{}.0.op{}", first + res_blocks, rest);
  const std::string_view blocks = down ? "input_blocks" : "output_blocks";
  const bool attention = take(rest, "attentions.");
  if (!attention && !take(rest, "resnets.")) return std::nullopt;
  const auto block = take_number(rest);
  if (!block || *block > res_blocks) return std::nullopt;
  if (attention) return fmt::format("{}.{}.1.{}", blocks, first + *block, rest);
  const auto part = exchanged(rest, kResBlockParts, false);
  return part ? std::optional(fmt::format("{}.{}.0.{}", blocks, first + *block, *part)) : std::nullopt;
}

int64_t count_res_blocks(const Checkpoint& checkpoint, std::string_view prefix) {
  int64_t index = 1;
  while (checkpoint.has_prefix(fmt::format("{}input_blocks.{}.0.in_layers.", prefix, index))) ++index;
  return index - 1;
}

}  // namespace easel
