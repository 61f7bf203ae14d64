#include "easel/pipeline/network_upscale.h"

#include "easel/base/error.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/arithmetic.h"
#include "easel/pipeline/finite.h"
#include "easel/pipeline/tile_plan.h"
#include "easel/pipeline/timed.h"
#include "easel/upscale/rrdbnet_file.h"

namespace easel {
namespace {

constexpr float kHalfByte = 0.5f / 255.0f;  // of a channel in [0, 1]

// In tiles of this size. file: outlives the result.
NetworkTrial trial(const NetworkFile& file, Size image, int64_t rows, int64_t columns, const PlanTarget& target) {
  const int64_t scale = file.network().config().scale();
  const uint64_t values = static_cast<uint64_t>(image.width_px * image.height_px) * Image::kChannels;
  const auto run = [&file, values, rows, columns](Residency residency, const PlanningDevice& plan) {
    const OtherMemory picture(plan, values * sizeof(float));
    const RrdbNet network = file.with_weights(residency);
    const int64_t squares = network.config().unshuffle;
    const Tensor x = Tensor::empty(*plan.device, {1, rows, columns, Image::kChannels}) * 0.5f + 0.5f;
    const Tensor y = network.enlarge_squares(
        Tensor::empty(*plan.device, {1, rows / squares, columns / squares, Image::kChannels * squares * squares}));
    const OtherMemory list(plan, static_cast<uint64_t>(y.count()) * sizeof(float));  // for the joined pixels
    const Tensor levels = y * 2.0f + 1.0f;
  };
  return {target,
          {.subject = fmt::format("{}x{} pixels in tiles of {}x{} with {}", image.width_px, image.height_px, columns,
                                  rows, file.name()),
           .cure = "a smaller image or a smaller --tile",
           .weight_bytes = file.weight_bytes(),
           .lasting_bytes = 2 * values + joined_bytes({image.width_px * scale, image.height_px * scale}),
           .run = run}};
}

}  // namespace

NetworkFile::NetworkFile(std::shared_ptr<const Checkpoint> checkpoint)
    : checkpoint_(std::move(checkpoint)), network_(with_weights(residency_)) {}

std::string NetworkFile::name() const { return std::filesystem::path(file()).stem().string(); }

uint64_t NetworkFile::weight_bytes() const {
  uint64_t bytes = 0;
  for (const WeightData& tensor : checkpoint_->tensors()) bytes += tensor.bytes.size();
  return bytes;
}

RrdbNet NetworkFile::with_weights(Residency residency) const { return read_rrdbnet(checkpoint_, residency); }

void NetworkFile::arrange(Residency residency) {
  if (residency == residency_) return;
  residency_ = residency;
  network_ = with_weights(residency);
}

uint64_t smallest_memory(const NetworkFile& file, Size image, const PlanTarget& target) {
  const auto tile = [](int64_t side_px) { return std::min(side_px, kSmallestChosenTilePx); };
  return smallest_memory(trial(file, image, tile(image.height_px), tile(image.width_px), target));
}

Image NetworkUpscale::enlarge(const Image& image, std::optional<TileGrid>& grid) {
  const Timed timed(result().times.decoding);
  const auto trial_of = [&](int64_t rows, int64_t columns) {
    return trial(file_, image.size(), rows, columns, target());
  };
  grid =
      plan_tiles(image.size(), [&](int64_t rows, int64_t columns) { return smallest_memory(trial_of(rows, columns)); });
  const MemoryPlan plan = plan_memory(trial_of(grid->rows().tile, grid->columns().tile), allowance());
  note(plan);
  file_.arrange(plan.modes.residency.of(""));
  device().allocator().set_budget(plan.budget_of(MemoryStage::network));
  const Tensor x = tensor_from(image, device());
  TileBlend pixels(*grid, scale(), Image::kChannels);
  tell({.stage = Stage::upscaling, .step = 0, .steps = grid->count()});
  for (int64_t tile = 0; tile < grid->count(); ++tile) {
    pixels.add(tile, enlarge_tile(grid->cut(x, tile)));
    tell({.stage = Stage::upscaling, .step = tile + 1, .steps = grid->count()});
  }
  return image_from(pixels, device());
}

Tensor NetworkUpscale::enlarge_tile(const Tensor& x) const {
  stop_if_cancelled();
  const Tensor y = file_.network()(x * 0.5f + 0.5f, watch_cancel());
  if (!is_finite(y)) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the network gives numbers that are not finite; the file is damaged{}",
                file_.name(), precision_hint(y.device()));
  }
  return y * 2.0f + (2.0f * kHalfByte - 1.0f);  // bytes are cut off: this rounds them
}

Infotext NetworkUpscale::describe() const {
  return {.prompt = {},
          .negative_prompt = {},
          .fields = {{"Upscaler", file_.name()}, {"Upscale by", fmt::format("{}", *request().factor)}}};
}

}  // namespace easel
