// What a LoRA costs: seconds of a UNet call with guidance without it and with it, one after the other in turn, and of
// merging it. The LoRA changes all layers that kohya's trainer changes by default. Writes JSON to standard output.
//
//   lora_bench CHECKPOINT [SIZE_PX] [RANK] [REPEATS]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "easel/adapter/layer_names.h"
#include "easel/adapter/lora_merge.h"
#include "easel/backend/devices.h"
#include "easel/base/system.h"
#include "easel/unet/unet.h"
#include "tools/formula_weights.h"

namespace easel::bench {
namespace {

constexpr std::string_view kUnet = "model.diffusion_model.";
constexpr std::string_view kClip = "cond_stage_model.transformer.";
constexpr std::string_view kWeight = ".weight";
constexpr double kLoraWeight = 0.1;

double seconds_of(const auto& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Tensor formula_tensor(const Device& device, const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.count()));
  FormulaWeight("x", shape).fill(0, values);
  return Tensor::from(device, shape, std::span<const float>(values));
}

// Nothing for layers that the trainer leaves alone: convolutions with a window, embeddings, those outside the
// transformers.
std::optional<std::string> kohya_name(std::string_view layer, int64_t res_blocks) {
  std::optional<std::string> name;
  if (layer.starts_with(kUnet)) {
    layer.remove_prefix(kUnet.size());
    const bool is_projection = layer.ends_with(".proj_in") || layer.ends_with(".proj_out");
    if (!is_projection && layer.find(".transformer_blocks.") == std::string_view::npos) return std::nullopt;
    if (auto diffusers = diffusers_unet_name(layer, res_blocks)) name = "lora_unet_" + *diffusers;
  } else if (layer.starts_with(kClip) && layer.find(".layers.") != std::string_view::npos) {
    name = fmt::format("lora_te_{}", layer.substr(kClip.size()));
  }
  if (name) std::replace(name->begin(), name->end(), '.', '_');
  return name;
}

std::shared_ptr<const Lora> formula_lora(const Checkpoint& model, int64_t rank) {
  std::vector<WeightData> tensors;
  const auto add = [&](const std::string& name, const Shape& shape) {
    const auto values = std::make_shared<std::vector<uint16_t>>(static_cast<size_t>(shape.count()));
    FormulaWeight(name, shape).fill_f16(0, *values);
    tensors.push_back({.name = name,
                       .shape = shape,
                       .dtype = DType::f16,
                       .bytes = std::as_bytes(std::span(*values)),
                       .owner = values});
  };
  const int64_t res_blocks = count_res_blocks(model, kUnet);
  for (const WeightData& weight : model.tensors()) {
    if (weight.shape.rank() < 2 || !weight.name.ends_with(kWeight)) continue;
    const std::string_view layer = std::string_view(weight.name).substr(0, weight.name.size() - kWeight.size());
    const auto name = kohya_name(layer, res_blocks);
    if (!name) continue;
    const bool is_conv = weight.shape.rank() == 4;  // 1x1
    const int64_t out = weight.shape.dim(0), in = weight.shape.dim(1);
    add(*name + ".lora_down.weight", is_conv ? Shape{rank, in, 1, 1} : Shape{rank, in});
    add(*name + ".lora_up.weight", is_conv ? Shape{out, rank, 1, 1} : Shape{out, rank});
  }
  return std::make_shared<const Lora>(Checkpoint::from_tensors("formula LoRA", std::move(tensors)));
}

void run(const std::string& path, int64_t size_px, int64_t rank, int repeats) {
  const auto device = open_device({});
  const auto model = Checkpoint::open(path);
  const auto lora = formula_lora(*model, rank);
  LoraMerger merger(model);
  const std::vector<LoraUse> uses = {{lora, kLoraWeight, kLoraWeight}};
  std::shared_ptr<const Checkpoint> merged;
  const double first_merge = seconds_of([&] { merged = merger.merge(uses, *device); });
  const int64_t tensors = merger.merged_last();
  merged.reset();
  merger.merge({}, *device);
  const double merge = seconds_of([&] { merged = merger.merge(uses, *device); });

  struct Case {
    std::optional<UNet> unet = {};
    std::optional<UNet::Conditioning> conditioning = {};
    std::vector<double> seconds = {};
  };
  Case without, with;
  const Tensor x = formula_tensor(*device, {2, size_px / 8, size_px / 8, 4});
  const std::vector<float> timesteps{500.0f, 500.0f};
  const auto open = [&](Case& c, const std::shared_ptr<const Checkpoint>& checkpoint) {
    c.unet.emplace(Weights(checkpoint) / "model.diffusion_model");
    c.conditioning = c.unet->condition(formula_tensor(*device, {2, 77, c.unet->config().context_width}));
    (*c.unet)(x, timesteps, *c.conditioning);  // reads the file
  };
  open(without, model);
  open(with, merged);
  for (int i = 0; i < repeats; ++i) {
    for (Case* c : {&without, &with}) {
      c->seconds.push_back(seconds_of([&] { (*c->unet)(x, timesteps, *c->conditioning); }));
    }
  }
  const nlohmann::json out{{"checkpoint", path},
                           {"size_px", size_px},
                           {"rank", rank},
                           {"layers", lora->layers().size()},
                           {"merged_tensors", tensors},
                           {"merged_bytes", merger.need(uses).kept_bytes},
                           {"merge_seconds_first", first_merge},
                           {"merge_seconds", merge},
                           {"unet_call_without", without.seconds},
                           {"unet_call_with", with.seconds},
                           {"unet_call_without_median", median(without.seconds)},
                           {"unet_call_with_median", median(with.seconds)}};
  fmt::print("{}\n", out.dump(2));
}

}  // namespace
}  // namespace easel::bench

int main(int argc, char** argv) {
  easel::limit_spinning(argv);
  if (argc < 2 || argc > 5) {
    fmt::print(stderr, "usage: lora_bench CHECKPOINT [SIZE_PX] [RANK] [REPEATS]\n");
    return 2;
  }
  const auto argument = [&](int index, int fallback) { return argc > index ? std::atoi(argv[index]) : fallback; };
  try {
    easel::bench::run(argv[1], argument(2, 512), argument(3, 16), std::max(1, argument(4, 3)));
  } catch (const easel::Error& error) {
    fmt::print(stderr, "lora_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
