#include "easel/checkpoint/inspect.h"

#include <algorithm>
#include <array>

#include "easel/base/error.h"
#include "easel/checkpoint/contents.h"

namespace easel {
namespace {

constexpr size_t kMaxMetadataText = 500;

struct Component {
  std::string_view name;
  std::array<std::string_view, 3> prefixes;
};
constexpr std::array<Component, 4> kComponents{{
    {"unet", {"model.diffusion_model.", "model.diffusion_model.", "model.diffusion_model."}},
    {"vae", {"first_stage_model.", "decoder.", "encoder."}},
    {"text encoder", {"cond_stage_model.", "conditioner.", "text_model."}},
    {"depth", {"depth_model.", "depth_model.", "depth_model."}},
}};

std::string_view component_of(std::string_view name) {
  for (const Component& component : kComponents) {
    for (const std::string_view prefix : component.prefixes) {
      if (name.starts_with(prefix)) return component.name;
    }
  }
  return "other";
}

void add(std::vector<ComponentSummary>& components, const WeightData& tensor) {
  const std::string_view name = component_of(tensor.name);
  auto at = std::find_if(components.begin(), components.end(), [&](const auto& c) { return c.name == name; });
  if (at == components.end()) at = components.insert(at, {.name = std::string(name)});
  ++at->tensor_count;
  at->parameter_count += tensor.shape.count();
  at->bytes += tensor.bytes.size();
}

}  // namespace

CheckpointSummary inspect(const Checkpoint& checkpoint) {
  CheckpointSummary summary{.file = checkpoint.file(), .format = std::string(name_of(checkpoint.format()))};
  summary.file_bytes = checkpoint.file_bytes();
  summary.ema_tensor_count = checkpoint.ema_tensor_count();
  try {
    summary.family = detect_family(checkpoint);
    summary.family_text = std::string(name_of(*summary.family));
  } catch (const Error& reason) {  // a foreign family is an answer here, not a failure
    summary.family_text = reason.what();
  }
  std::map<std::string, int64_t> dtypes;
  for (const WeightData& tensor : checkpoint.tensors()) {
    ++summary.tensor_count;
    summary.parameter_count += tensor.shape.count();
    summary.bytes += tensor.bytes.size();
    ++dtypes[std::string(name_of(tensor.dtype))];
    add(summary.components, tensor);
  }
  summary.dtypes.assign(dtypes.begin(), dtypes.end());
  std::stable_sort(summary.dtypes.begin(), summary.dtypes.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::stable_sort(summary.components.begin(), summary.components.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  for (const auto& [key, value] : checkpoint.metadata()) {
    summary.metadata[printable(key, kMaxMetadataText)] = printable(value, kMaxMetadataText);
  }
  return summary;
}

}  // namespace easel
