#include "easel/pipeline/control.h"

#include <algorithm>

#include "easel/adapter/control_file.h"
#include "easel/base/error.h"
#include "easel/image/canny.h"
#include "easel/image/fit.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/arithmetic.h"

namespace easel {
namespace {

void require_fit_to(const Model& model, const OpenControlNet& control) {
  const UNetConfig& unet = model.unet().config();
  const ControlNetConfig& config = control.network.config();
  const std::string& file = control.checkpoint->file();
  std::vector<int64_t> expected = skip_channels(unet);
  expected.push_back(unet.levels.back().channels);
  if (config.half.context_width != unet.context_width) {
    throw Error(
        ErrorCode::bad_checkpoint,
        "{}: this ControlNet reads prompts of width {}, but {} has {}; it was made for another family of models "
        "(768: SD 1.x, 1024: SD 2.x)",
        file, config.half.context_width, model.name(), unet.context_width);
  }
  if (config.out_channels != expected) {
    throw Error(
        ErrorCode::bad_checkpoint,
        "{}: this ControlNet steers blocks of {} channels, but those of {} have {}; it was made for another model",
        file, fmt::join(config.out_channels, ", "), model.name(), fmt::join(expected, ", "));
  }
}

// Values in [0, 1]. -> [1, height_px, width_px, 3]
Tensor hint_from(const Image& map, const Device& device) { return tensor_from(map, device) * 0.5f + 0.5f; }

}  // namespace

std::shared_ptr<OpenControlNet> OpenControlNet::open(std::shared_ptr<const Checkpoint> checkpoint) {
  const Weights weights = control_weights(checkpoint);
  OpenControlNet opened{.checkpoint = std::move(checkpoint), .weights = weights, .network = ControlNet(weights)};
  require_control_fit(weights);
  return std::make_shared<OpenControlNet>(std::move(opened));
}

uint64_t OpenControlNet::file_bytes() const {
  uint64_t bytes = 0;
  for (const WeightData& tensor : checkpoint->tensors()) bytes += tensor.bytes.size();
  return bytes;
}

void OpenControlNet::arrange(Residency wanted) {
  if (wanted == residency) return;
  residency = wanted;
  unload();
}

void OpenControlNet::unload() {
  network = ControlNet(weights.staying(residency), network.config());
  if (const MappedFile* mapping = checkpoint->mapping()) mapping->release_pages(mapping->bytes());
}

ControlNets ControlLibrary::open(const AdapterShelf& shelf, const Request& request, const Model& model) {
  ControlNets opened;
  std::map<std::string, Entry> used;
  for (const ControlChoice& choice : request.controls) {
    const AdapterFile file = shelf.find(AdapterKind::control_net, choice.model);
    std::error_code ignored;
    const int64_t changed = std::filesystem::last_write_time(file.path, ignored).time_since_epoch().count();
    const std::string path = file.path.string();
    const auto known = entries_.find(path);
    const bool is_known =
        known != entries_.end() && known->second.bytes == file.bytes && known->second.changed == changed;
    Entry entry = is_known ? known->second : Entry{file.bytes, changed, OpenControlNet::open(Checkpoint::open(path))};
    require_fit_to(model, *entry.control_net);
    opened.push_back(entry.control_net);
    used.insert_or_assign(path, std::move(entry));
  }
  entries_ = std::move(used);
  return opened;
}

Image control_map(const ControlChoice& choice, const Image* initial, Size size, const EstimateDepth& estimate_depth) {
  EASEL_ASSERT(choice.image || initial != nullptr);
  const Image fitted = fit(choice.image ? *choice.image : *initial, size, FitMode::crop);
  switch (choice.preprocessor) {
    case ControlPreprocessor::none: break;
    case ControlPreprocessor::canny: {
      const CannyThresholds usual;
      return image_from(
          canny(fitted, {.low = choice.canny_low.value_or(usual.low), .high = choice.canny_high.value_or(usual.high)}));
    }
    case ControlPreprocessor::depth: return estimate_depth(fitted);
  }
  return fitted;
}

std::vector<Control> make_controls(const ControlNets& control_nets, const Request& request, const Image* initial,
                                   const Device& device, const EstimateDepth& estimate_depth) {
  std::vector<Control> controls;
  for (size_t i = 0; i < control_nets.size(); ++i) {
    const ControlChoice& choice = request.controls[i];
    const Image map = control_map(choice, initial, {*request.width_px, *request.height_px}, estimate_depth);
    controls.push_back({.control_net = control_nets[i],
                        .hint = control_nets[i]->network.read_hint(hint_from(map, device)),
                        .weight = choice.weight,
                        .start = choice.start,
                        .end = choice.end});
  }
  return controls;
}

std::vector<size_t> acting_controls(const std::vector<Control>& controls, int64_t step, int64_t steps) {
  std::vector<size_t> acting;
  for (size_t i = 0; i < controls.size(); ++i) {
    if (controls[i].acts_at(step, steps) && controls[i].weight != 0.0) acting.push_back(i);
  }
  return acting;
}

std::vector<Tensor> steering(const std::vector<Control>& controls,
                             const std::vector<ControlNet::Conditioning>& conditionings, std::span<const size_t> acting,
                             const Tensor& x, std::span<const float> timesteps, std::optional<int64_t> skips,
                             const BlockObserver& observe) {
  std::vector<Tensor> sum;
  for (const size_t i : acting) {
    const Control& control = controls[i];
    const auto weight = static_cast<float>(control.weight);
    const std::vector<Tensor> added = control.network()(x, timesteps, conditionings[i], control.hint, observe, skips);
    for (size_t k = 0; k < added.size(); ++k) {
      const Tensor weighted = weight == 1.0f ? added[k] : added[k] * weight;
      if (sum.size() < added.size()) {
        sum.push_back(weighted);
      } else {
        sum[k] = sum[k] + weighted;
      }
    }
  }
  return sum;
}

}  // namespace easel
