#include "easel/pipeline/model_use.h"

#include "easel/base/error.h"
#include "easel/checkpoint/family.h"
#include "easel/checkpoint/tiny_vae_file.h"
#include "easel/pipeline/request_names.h"
#include "easel/pipeline/tasks.h"
#include "easel/upscale/rrdbnet_file.h"

namespace easel {
namespace {

// What `open` gives; nothing if the file is not of that kind.
template <typename Open>
auto if_readable(const Open& open) -> std::optional<decltype(open())> {
  try {
    return open();
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool is_vae_alone(const Checkpoint& checkpoint) {
  if (checkpoint.has_prefix("model.diffusion_model.")) return false;
  if (const auto tiny = tiny_vae_layout(checkpoint)) return tiny->decoder.has_value();
  return checkpoint.has_prefix("decoder.conv_in.") || checkpoint.has_prefix("first_stage_model.decoder.conv_in.");
}

// What the UNet's layers take that look at the prompt.
std::optional<int64_t> prompt_width_of(const Checkpoint& checkpoint) {
  for (const WeightData& tensor : checkpoint.tensors()) {
    const bool looks = tensor.name.starts_with("model.diffusion_model.") && tensor.name.ends_with(".attn2.to_k.weight");
    if (looks && tensor.shape.rank() == 2) return tensor.shape.dim(1);
  }
  return std::nullopt;
}

UpscalerDescription describe_upscaler(UpscalerKind kind, const Checkpoint& checkpoint, int64_t scale) {
  return {.kind = kind,
          .name = std::filesystem::path(checkpoint.file()).stem().string(),
          .file = checkpoint.file(),
          .scale = scale};
}

}  // namespace

std::string_view name_of(Task task) { return choice_name(task); }

ModelUse use_of(const std::filesystem::path& file) {
  ModelUse use;
  const auto opened = if_readable([&] { return Checkpoint::open(file); });
  if (!opened) return use;
  const Checkpoint& checkpoint = **opened;
  use.is_vae = is_vae_alone(checkpoint);
  if (use.is_vae) return use;
  if (const auto family = if_readable([&] { return detect_family(checkpoint); })) {
    use.tasks = tasks_of(*family);
    use.prompt_width = prompt_width_of(checkpoint);
    if (family == Family::x4_upscaler) {
      use.upscaler = describe_upscaler(UpscalerKind::diffusion, checkpoint, defaults_of(*family).vae_factor);
    }
    return use;
  }
  if (const auto network = if_readable([&] { return read_rrdbnet(*opened, Residency::streamed); })) {
    use.upscaler = describe_upscaler(UpscalerKind::network, checkpoint, network->config().scale());
  }
  return use;
}

}  // namespace easel
