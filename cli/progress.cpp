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

bool is_begin(const JobProgress& progress) { return progress.step == 0 && progress.tile == 0; }

// With the part of the current step that its tiles are.
double steps_done(const JobProgress& progress) {
  return static_cast<double>(progress.step) + static_cast<double>(progress.tile) / static_cast<double>(progress.tiles);
}

}  // namespace

ProgressStyle progress_style(bool quiet) {
  if (quiet) return ProgressStyle::none;
  return standard_error_is_terminal() ? ProgressStyle::bar : ProgressStyle::lines;
}

Seconds ProgressPrinter::per_step(const JobProgress& progress) const {
  return Seconds(Clock::now() - stage_start_) / steps_done(progress);
}

std::string ProgressPrinter::text(const JobProgress& progress) const {
  if (progress.stage == Stage::text) return "reading the prompt";
  if (progress.stage == Stage::encoding) return "reading the image";
  const std::string batch =
      progress.batches > 1 ? fmt::format(", batch {} of {}", progress.batch + 1, progress.batches) : "";
  if (progress.stage == Stage::upscaling || (progress.stage == Stage::decoding && progress.tiles > 1)) {
    return fmt::format("{} tile {} of {}", name_of(progress.stage), std::min(progress.step + 1, progress.steps),
                       progress.steps);
  }
  if (progress.stage == Stage::decoding) {
    return fmt::format("decoding image {} of {}{}", std::min(progress.step + 1, progress.steps), progress.steps, batch);
  }
  std::string out = fmt::format("step {} of {}{}", progress.step, progress.steps, batch);
  if (progress.tiles > 1) out += fmt::format(", tile {} of {}", progress.tile, progress.tiles);
  if (!is_begin(progress)) {
    const int64_t later = progress.steps * (progress.batches - progress.batch - 1);
    const double left = static_cast<double>(progress.steps + later) - steps_done(progress);
    const Seconds each = per_step(progress);
    out += fmt::format(", {:.2f} s/step, {} left", each.count(), minutes(each * left));
  }
  return out + ", " + format_bytes(resident_bytes());
}

bool ProgressPrinter::is_line_due(const JobProgress& progress) {
  const bool is_milestone =
      is_begin(progress) || (progress.stage == Stage::sampling && progress.step == progress.steps);
  if (!is_milestone && Clock::now() - last_line_ < kBetweenLines) return false;
  if (progress.stage != Stage::sampling && progress.step == progress.steps) return false;
  last_line_ = Clock::now();
  return true;
}

void ProgressPrinter::show(const JobProgress& progress) {
  if (is_begin(progress)) stage_start_ = Clock::now();
  if (style_ == ProgressStyle::lines && is_line_due(progress)) fmt::print(stderr, "{}\n", text(progress));
  if (style_ != ProgressStyle::bar) return;
  std::string line = text(progress);
  if (progress.stage == Stage::sampling || progress.stage == Stage::upscaling)
    line = bar(progress.step, progress.steps) + " " + line;
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
