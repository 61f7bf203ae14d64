// Shows on standard error how far a job is: a bar on a terminal, lines otherwise.
#pragma once

#include <chrono>
#include <string>

#include "easel/pipeline/result.h"

namespace easel::cli {

enum class ProgressStyle { none, lines, bar };
ProgressStyle progress_style(bool quiet);

class ProgressPrinter {
 public:
  explicit ProgressPrinter(ProgressStyle style) : style_(style) {}

  void show(const JobProgress& progress);
  // A line of its own, above the bar if there is one.
  void note(const std::string& text);
  void clear();  // the bar, at the end

 private:
  using Clock = std::chrono::steady_clock;

  Seconds per_step(const JobProgress& progress) const;
  std::string text(const JobProgress& progress) const;
  bool is_line_due(const JobProgress& progress);

  ProgressStyle style_;
  bool bar_is_shown_ = false;
  Clock::time_point stage_start_ = Clock::now();
  Clock::time_point last_line_{};
};

}  // namespace easel::cli
