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
  // Of the stages whose steps take alike: sampling, and upscaling by a network.
  void count_steps(double position, Clock::time_point at);
  double within_batch(const JobProgress& progress) const;  // 0..1
  void count_decoding(const JobProgress& progress, Clock::time_point at);
  std::optional<std::chrono::duration<double>> time_left(const JobProgress& progress, double position) const;

  Clock::time_point last_step_{};
  double last_position_ = 0.0;   // finished steps of the batch, with the share of one that is begun
  Clock::duration step_time_{};  // of finished steps, in all batches
  double steps_done_ = 0.0;
  Clock::time_point decoding_start_{};
  Clock::duration decoding_time_{};  // of finished batches
  int64_t batches_decoded_ = 0;
  bool has_sampled_ = false;  // then an image is upscaled between two passes
  double fraction_ = 0.0;
};

}  // namespace easel::server
