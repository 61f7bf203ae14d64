#include "cli/progress.h"

#include <algorithm>
#include <cstdio>

#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/base/text.h"

namespace easel::cli {
namespace {

constexpr std::chrono::seconds kBetweenLines{5};
constexpr int kBarWidth = 24;

std::string minutes(Seconds time) {
  const auto total = static_cast<int64_t>(time.count() + 0.5);
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

std::string bar(int64_t step, int64_t steps) {
  const auto full = static_cast<size_t>(steps > 0 ? kBarWidth * step / steps : 0);
  return fmt::format("[{}{}]", std::string(full, '#'), std::string(kBarWidth - full, '.'));
}

}  // namespace

ProgressStyle progress_style(bool quiet) {
  if (quiet) return ProgressStyle::none;
  return standard_error_is_terminal() ? ProgressStyle::bar : ProgressStyle::lines;
}

Seconds ProgressPrinter::per_step(const JobProgress& progress) const {
  return Seconds(Clock::now() - stage_start_) / static_cast<double>(std::max<int64_t>(progress.step, 1));
}

std::string ProgressPrinter::text(const JobProgress& progress) const {
  if (progress.stage == Stage::text) return "reading the prompt";
  const std::string batch =
      progress.batches > 1 ? fmt::format(", batch {} of {}", progress.batch + 1, progress.batches) : "";
  if (progress.stage == Stage::decoding) {
    return fmt::format("decoding image {} of {}{}", std::min(progress.step + 1, progress.steps), progress.steps, batch);
  }
  std::string out = fmt::format("step {} of {}{}", progress.step, progress.steps, batch);
  if (progress.step > 0) {
    const int64_t left = progress.steps - progress.step + progress.steps * (progress.batches - progress.batch - 1);
    const Seconds each = per_step(progress);
    out += fmt::format(", {:.2f} s/step, {} left", each.count(), minutes(each * static_cast<double>(left)));
  }
  return out + ", " + format_bytes(resident_bytes());
}

bool ProgressPrinter::is_line_due(const JobProgress& progress) {
  const bool is_milestone =
      progress.step == 0 || (progress.stage == Stage::sampling && progress.step == progress.steps);
  if (!is_milestone && Clock::now() - last_line_ < kBetweenLines) return false;
  if (progress.stage != Stage::sampling && progress.step == progress.steps) return false;
  last_line_ = Clock::now();
  return true;
}

void ProgressPrinter::show(const JobProgress& progress) {
  if (progress.step == 0) stage_start_ = Clock::now();
  if (style_ == ProgressStyle::lines && is_line_due(progress)) fmt::print(stderr, "{}\n", text(progress));
  if (style_ != ProgressStyle::bar) return;
  std::string line = text(progress);
  if (progress.stage == Stage::sampling) line = bar(progress.step, progress.steps) + " " + line;
  line.resize(std::min<size_t>(line.size(), static_cast<size_t>(terminal_width() - 1)));
  fmt::print(stderr, "\r{}\x1b[K", line);
  std::fflush(stderr);
  bar_is_shown_ = true;
}

void ProgressPrinter::note(const std::string& text) {
  clear();
  fmt::print(stderr, "{}\n", text);
}

void ProgressPrinter::clear() {
  if (!bar_is_shown_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  bar_is_shown_ = false;
}

}  // namespace easel::cli
