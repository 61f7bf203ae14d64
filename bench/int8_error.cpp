// What 8-bit integers cost, layer by layer: the UNet's prediction with one kind of layer in int8 and the rest in f32,
// beside the prediction of f32 alone. Writes JSON to standard output; from it comes the list in
// easel/pipeline/reduced_layers.cpp.
//
//   int8_error CHECKPOINT [SIZE_PX] [each]
//
// `each`: every layer on its own instead of all of a kind together, for small models.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "easel/backend/devices.h"
#include "easel/base/system.h"
#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/weights.h"
#include "easel/pipeline/reduced_layers.h"
#include "easel/text_encoder/text_encoder.h"
#include "easel/unet/unet.h"

namespace easel::bench {
namespace {

constexpr std::string_view kUnet = "model.diffusion_model.";

using Names = std::set<std::string, std::less<>>;

// "input_blocks.1.0.in_layers.2.weight" -> "input_blocks.*.*.in_layers.*"
std::string kind_of(std::string_view name) {
  std::string kind;
  for (const char c : name.substr(kUnet.size())) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) {
      kind += c;
    } else if (kind.empty() || kind.back() != '*') {
      kind += kind.ends_with('.') ? "*" : std::string(1, c);
    }
  }
  return kind.substr(0, kind.rfind('.'));
}

std::map<std::string, Names> layers_by_kind(const Checkpoint& checkpoint, bool each) {
  std::map<std::string, Names> kinds;
  for (const WeightData& tensor : checkpoint.tensors()) {
    if (!tensor.name.starts_with(kUnet) || tensor.shape.rank() < 2) continue;
    kinds[each ? tensor.name.substr(kUnet.size()) : kind_of(tensor.name)].insert(tensor.name);
  }
  return kinds;
}

class Network {
 public:
  Network(const std::string& path, int64_t size_px)
      : checkpoint_(Checkpoint::open(path)),
        device_(open_device({.reduced = {.allows = [this](std::string_view name) { return int8_.contains(name); }}})),
        unet_(Weights(checkpoint_) / "model.diffusion_model"),
        conditioning_(condition()),
        x_(Tensor::zeros(*device_, {2, size_px / 8, size_px / 8, unet_.config().in_channels})) {
    uint32_t state = 1;
    for (float& value : x_.data()) {
      state = state * 1664525u + 1013904223u;
      value = (static_cast<float>(state >> 8) * 0x1p-23f - 1.0f) * 1.7f;
    }
    for (const float timestep : {900.0f, 500.0f, 100.0f}) exact_.push_back(predict(timestep));
  }

  const Checkpoint& checkpoint() const { return *checkpoint_; }

  // The root of the mean square error over that of the prediction, with these layers in int8.
  double error_with(Names int8) {
    int8_ = std::move(int8);
    double error = 0.0, size = 0.0;
    size_t at = 0;
    for (const float timestep : {900.0f, 500.0f, 100.0f}) {
      const std::vector<float> predicted = predict(timestep);
      const std::vector<float>& expected = exact_[at++];
      for (size_t i = 0; i < predicted.size(); ++i) {
        error += std::pow(static_cast<double>(predicted[i]) - static_cast<double>(expected[i]), 2);
        size += std::pow(static_cast<double>(expected[i]), 2);
      }
    }
    return std::sqrt(error / size);
  }

 private:
  UNet::Conditioning condition() const {
    const TextEncoder encoder(Weights(checkpoint_) / "cond_stage_model");
    std::vector<int32_t> ids(2 * 77, 49407);
    ids[0] = ids[77] = 49406;
    for (int32_t i = 1; i < 6; ++i) ids[static_cast<size_t>(77 + i)] = 500 * i;  // some words
    return unet_.condition(encoder(Tensor::from(*device_, {2, 77}, std::span<const int32_t>(ids))));
  }
  std::vector<float> predict(float timestep) const {
    return unet_(x_, std::vector<float>{timestep, timestep}, conditioning_).values();
  }

  Names int8_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<const Device> device_;
  UNet unet_;
  UNet::Conditioning conditioning_;
  Tensor x_;
  std::vector<std::vector<float>> exact_;
};

void run(const std::string& path, int64_t size_px, bool each) {
  Network network(path, size_px);
  const auto kinds = layers_by_kind(network.checkpoint(), each);
  Names all, chosen;
  nlohmann::ordered_json out{{"checkpoint", path}, {"size_px", size_px}};
  for (const auto& [kind, names] : kinds) {
    out["relative_error"][kind] = network.error_with(names);
    all.insert(names.begin(), names.end());
  }
  std::copy_if(all.begin(), all.end(), std::inserter(chosen, chosen.end()), allows_reduced);
  out["all"] = network.error_with(all);
  out["as_easel_computes"] = network.error_with(chosen);
  fmt::print("{}\n", out.dump(2));
}

}  // namespace
}  // namespace easel::bench

int main(int argc, char** argv) {
  easel::limit_spinning(argv);
  if (argc < 2 || argc > 4) {
    fmt::print(stderr, "usage: int8_error CHECKPOINT [SIZE_PX] [each]\n");
    return 2;
  }
  try {
    easel::bench::run(argv[1], argc > 2 ? std::atoi(argv[2]) : 512, argc > 3);
  } catch (const easel::Error& error) {
    fmt::print(stderr, "int8_error: {}\n", error.what());
    return 1;
  }
  return 0;
}
