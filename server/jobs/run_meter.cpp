#include "server/jobs/run_meter.h"

#include <algorithm>

namespace easel::server {
namespace {

constexpr double kSamplingShare = 0.95;  // of a batch; the rest is decoding

// Finished steps, with the share of one that is begun.
double position_of(const JobProgress& progress) {
  const auto tiles = static_cast<double>(std::max<int64_t>(progress.tiles, 1));
  return static_cast<double>(progress.step) + static_cast<double>(progress.tile) / tiles;
}

}  // namespace

double RunMeter::within_batch(const JobProgress& progress) const {
  const double share = progress.steps > 0 ? position_of(progress) / static_cast<double>(progress.steps) : 0;
  switch (progress.stage) {
    case Stage::text:
    case Stage::encoding: return 0.0;
    case Stage::sampling: return kSamplingShare * share;
    case Stage::upscaling: return has_sampled_ ? kSamplingShare : share;
    case Stage::decoding: break;
  }
  return kSamplingShare + (1.0 - kSamplingShare) * share;
}

void RunMeter::count_steps(double position, Clock::time_point at) {
  if (position > last_position_) {
    step_time_ += at - last_step_;
    steps_done_ += position - last_position_;
  }
  last_step_ = at;
  last_position_ = position;
}

void RunMeter::count_decoding(const JobProgress& progress, Clock::time_point at) {
  if (progress.step == 0) decoding_start_ = at;
  if (progress.step != progress.steps) return;
  decoding_time_ += at - decoding_start_;
  ++batches_decoded_;
}

std::optional<std::chrono::duration<double>> RunMeter::time_left(const JobProgress& progress, double position) const {
  if (steps_done_ == 0.0) return std::nullopt;
  const auto steps = static_cast<double>(progress.steps);
  const auto later_batches = static_cast<double>(progress.batches - progress.batch - 1);
  using Time = std::chrono::duration<double>;
  Time left = Time(step_time_) / steps_done_ * (steps - position + later_batches * steps);
  if (batches_decoded_ > 0) {
    left += Time(decoding_time_) / static_cast<double>(batches_decoded_) * (later_batches + 1.0);
  }
  return left;
}

RunProgress RunMeter::measure(const JobProgress& progress, Clock::time_point at) {
  const double position = position_of(progress);
  has_sampled_ = has_sampled_ || progress.stage == Stage::sampling;
  const bool has_steps = progress.stage == Stage::sampling || (progress.stage == Stage::upscaling && !has_sampled_);
  if (has_steps) count_steps(position, at);
  if (progress.stage == Stage::decoding) count_decoding(progress, at);

  RunProgress out{.stage = std::string(name_of(progress.stage)),
                  .step = progress.step,
                  .steps = progress.steps,
                  .batch = progress.batch,
                  .batches = progress.batches,
                  .tile = progress.tile,
                  .tiles = progress.tiles};
  const double fraction = (static_cast<double>(progress.batch) + within_batch(progress)) /
                          static_cast<double>(std::max<int64_t>(progress.batches, 1));
  fraction_ = std::max(fraction_, fraction);  // the hires fix samples a batch twice
  out.fraction = fraction_;
  if (has_steps) out.time_left = time_left(progress, position);
  return out;
}

}  // namespace easel::server
