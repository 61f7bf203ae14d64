#include "server/jobs/run_meter.h"

#include <algorithm>

namespace easel::server {
namespace {

constexpr double kSamplingShare = 0.95;  // of a batch; the rest is decoding

double within_batch(const JobProgress& progress) {
  const double share =
      progress.steps > 0 ? static_cast<double>(progress.step) / static_cast<double>(progress.steps) : 0;
  switch (progress.stage) {
    case Stage::text:
    case Stage::encoding: return 0.0;
    case Stage::sampling: return kSamplingShare * share;
    case Stage::decoding:
    case Stage::upscaling: break;
  }
  return kSamplingShare + (1.0 - kSamplingShare) * share;
}

}  // namespace

RunProgress RunMeter::measure(const JobProgress& progress, Clock::time_point at) {
  if (progress.stage == Stage::sampling) {
    if (progress.step == 0) {
      sampling_start_ = at;
    } else {
      sampling_time_ += at - sampling_start_;
      sampling_start_ = at;
      ++steps_done_;
    }
  } else if (progress.stage == Stage::decoding && progress.step == 0) {
    decoding_start_ = at;
  } else if (progress.stage == Stage::decoding && progress.step == progress.steps) {
    decoding_time_ += at - decoding_start_;
    ++batches_decoded_;
  }

  RunProgress out{.stage = std::string(name_of(progress.stage)),
                  .step = progress.step,
                  .steps = progress.steps,
                  .batch = progress.batch,
                  .batches = progress.batches};
  out.fraction = (static_cast<double>(progress.batch) + within_batch(progress)) /
                 static_cast<double>(std::max<int64_t>(progress.batches, 1));
  fraction_ = std::max(fraction_, out.fraction);  // the hires fix samples a batch twice
  out.fraction = fraction_;
  if (progress.stage == Stage::sampling && steps_done_ > 0) {
    using Seconds = std::chrono::duration<double>;
    const int64_t later_batches = progress.batches - progress.batch - 1;
    const auto steps_left = static_cast<double>(progress.steps - progress.step + later_batches * progress.steps);
    Seconds left = Seconds(sampling_time_) / static_cast<double>(steps_done_) * steps_left;
    if (batches_decoded_ > 0) {
      left += Seconds(decoding_time_) / static_cast<double>(batches_decoded_) * static_cast<double>(later_batches + 1);
    }
    out.time_left = left;
  }
  return out;
}

}  // namespace easel::server
