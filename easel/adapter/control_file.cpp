#include "easel/adapter/control_file.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "easel/adapter/layer_names.h"
#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/checkpoint/family.h"

namespace easel {
namespace {

constexpr std::string_view kDifference = "difference";  // marks files whose weights are to be added to the model's
constexpr std::string_view kOriginal = "control_model.";
constexpr std::string_view kBare = "input_hint_block.";
constexpr std::string_view kDiffusers = "controlnet_cond_embedding.";
constexpr int64_t kMiddleHintConvs = 6;  // between the first and the last

// "3.weight" -> 3, and what follows the point
std::optional<std::pair<int64_t, std::string>> number_and_rest(std::string_view text) {
  const size_t point = text.find('.');
  if (point == std::string_view::npos) return std::nullopt;
  const auto number = parse_number<int64_t>(text.substr(0, point));
  if (!number || *number < 0 || *number > 1000) return std::nullopt;
  return std::pair{*number, std::string(text.substr(point + 1))};
}

std::optional<std::string> hint_name(std::string_view name) {
  if (name.starts_with("conv_in.")) return fmt::format("input_hint_block.0.{}", name.substr(8));
  if (name.starts_with("conv_out.")) {
    return fmt::format("input_hint_block.{}.{}", 2 * (kMiddleHintConvs + 1), name.substr(9));
  }
  if (!name.starts_with("blocks.")) return std::nullopt;
  const auto block = number_and_rest(name.substr(7));
  if (!block || block->first >= kMiddleHintConvs) return std::nullopt;
  return fmt::format("input_hint_block.{}.{}", 2 * (block->first + 1), block->second);
}

std::optional<std::string> original_name(std::string_view name, int64_t res_blocks) {
  constexpr std::string_view kDown = "controlnet_down_blocks.", kMiddle = "controlnet_mid_block.";
  if (name.starts_with(kDiffusers)) return hint_name(name.substr(kDiffusers.size()));
  if (name.starts_with(kMiddle)) return fmt::format("middle_block_out.0.{}", name.substr(kMiddle.size()));
  if (!name.starts_with(kDown)) return original_unet_name(name, res_blocks);
  const auto block = number_and_rest(name.substr(kDown.size()));
  return block ? std::optional(fmt::format("zero_convs.{}.0.{}", block->first, block->second)) : std::nullopt;
}

int64_t diffusers_res_blocks(const Checkpoint& file) {
  int64_t count = 0;
  while (file.has_prefix(fmt::format("down_blocks.0.resnets.{}.", count))) ++count;
  return count;
}

std::shared_ptr<const Checkpoint> with_original_names(const Checkpoint& file) {
  const int64_t res_blocks = diffusers_res_blocks(file);
  std::vector<WeightData> tensors;
  std::vector<std::string> unknown;
  for (const WeightData& tensor : file.tensors()) {
    auto name = original_name(tensor.name, res_blocks);
    if (!name) {
      unknown.push_back(fmt::format("{} {}", tensor.name, tensor.shape));
      continue;
    }
    tensors.push_back(tensor);
    tensors.back().name = std::move(*name);
  }
  if (unknown.empty()) return Checkpoint::from_tensors(file.file(), std::move(tensors), file.metadata());
  throw Error(ErrorCode::bad_checkpoint,
              "{}: {} tensors have no place in a ControlNet for SD 1.x or 2.x; was it made for another family? {}",
              file.file(), unknown.size(), fmt::join(unknown, ", "));
}

}  // namespace

bool is_control_net(const Checkpoint& checkpoint) {
  return checkpoint.has_prefix(kOriginal) || checkpoint.has_prefix(kBare) || checkpoint.has_prefix(kDiffusers);
}

Weights control_weights(const std::shared_ptr<const Checkpoint>& file) {
  if (file->find(kDifference) != nullptr) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: holds the difference between a ControlNet and a model, which easel does not add up; use the whole "
                "ControlNet",
                file->file());
  }
  if (file->has_prefix(fmt::format("{}{}", kOriginal, kBare))) return Weights(file) / "control_model";
  if (file->has_prefix(kBare)) return Weights(file);
  if (file->has_prefix(kDiffusers)) return Weights(with_original_names(*file));
  const auto foreign = foreign_kind(*file);
  throw Error(
      ErrorCode::bad_checkpoint,
      "{} is {}; expected a ControlNet for SD 1.x or 2.x, with tensors such as control_model.input_hint_block.0.weight",
      file->file(), foreign.value_or("no ControlNet"));
}

void require_control_fit(const Weights& weights) {
  weights.require_complete(std::numeric_limits<size_t>::max());
  const std::vector<std::string> unread = weights.unread();
  if (unread.empty()) return;
  throw Error(ErrorCode::bad_checkpoint,
              "{}: {} tensors have no place in a ControlNet for SD 1.x or 2.x; was it made for another family? {}",
              weights.file(), unread.size(), fmt::join(unread, ", "));
}

}  // namespace easel
