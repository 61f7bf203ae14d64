// When watchers are told of a job's progress: not after each of many quick steps, since an answer costs time that the
// job then lacks.
#pragma once

#include <chrono>
#include <string>

#include "server/jobs/job.h"

namespace easel::server {

class NewsPace {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kGap{200};

  // Whether to tell of `progress`; a new stage, batch or preview is told at once.
  bool is_due(const RunProgress& progress, Clock::time_point at) {
    const bool is_new = progress.stage != stage_ || progress.batch != batch_ || progress.preview_version != preview_;
    if (!is_new && at - told_ < kGap) return false;
    stage_ = progress.stage;
    batch_ = progress.batch;
    preview_ = progress.preview_version;
    told_ = at;
    return true;
  }

 private:
  std::string stage_ = {};
  int64_t batch_ = 0;
  int64_t preview_ = 0;
  Clock::time_point told_{};
};

}  // namespace easel::server
