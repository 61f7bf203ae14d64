// When a preview may be drawn, so that all of them take no more than a small share of a job's time, whoever watches.
#pragma once

#include <chrono>

namespace easel::server {

class PreviewPace {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr int64_t kShareOfJob = 20;  // a twentieth

  explicit PreviewPace(Clock::time_point job_start) : job_start_(job_start) {}

  // True at once for the first one.
  bool may_begin(Clock::time_point at) const { return spent_ * kShareOfJob <= at - job_start_; }
  void begin(Clock::time_point at) { begun_ = at; }
  void end(Clock::time_point at) { spent_ += at - begun_; }

 private:
  Clock::time_point job_start_;
  Clock::time_point begun_{};
  Clock::duration spent_{};
};

}  // namespace easel::server
