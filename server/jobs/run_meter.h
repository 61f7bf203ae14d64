// How far a running job is and how long it still takes.
#pragma once

#include <chrono>

#include "easel/pipeline/result.h"
#include "server/jobs/job.h"

namespace easel::server {

class RunMeter {
 public:
  using Clock = std::chrono::steady_clock;

  RunProgress measure(const JobProgress& progress, Clock::time_point at = Clock::now());

 private:
  Clock::time_point sampling_start_{};
  Clock::duration sampling_time_{};  // of finished steps, in all batches
  Clock::duration decoding_time_{};  // of finished batches
  Clock::time_point decoding_start_{};
  int64_t steps_done_ = 0;
  int64_t batches_decoded_ = 0;
  double fraction_ = 0.0;
};

}  // namespace easel::server
