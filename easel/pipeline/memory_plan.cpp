#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/base/text.h"
#include "easel/pipeline/memory.h"

namespace easel {
namespace {

constexpr double kShareOfFree = 0.75;           // that a job takes unless a person allows more
constexpr double kShareOfCard = 0.95;           // the same, of a card's memory
constexpr uint64_t kProcessBytes = 30'000'000;  // measured: the program and its libraries, beside what the trial counts
constexpr uint64_t kMarginShare = 20;  // of the trial's peak: pages that come along with those that are read, rounding
constexpr uint64_t kAddressesBytes = 64'000'000;  // of stacks and code: they count against `ulimit -v`

// What a person is told to allow.
std::string megabytes_for(uint64_t bytes) { return fmt::format("{} MB", (bytes + 999'999) / 1'000'000); }

uint64_t difference_or_zero(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

[[noreturn]] void refuse(const MemoryTrial& trial, uint64_t smallest, const MemoryAllowance& allowance) {
  throw Error(ErrorCode::out_of_memory,
              "{} needs at least {} of {}, but {} can be had; try {}, a --memory-limit of {} if there is as much, or "
              "close other programs",
              trial.subject(), megabytes_for(smallest), trial.on_card() ? "the card's memory" : "memory",
              format_bytes(std::min(allowance.bytes, allowance.tensor_bytes)), trial.cure(), megabytes_for(smallest));
}

// Chooses for one stage after the other: they do not touch each other once their weights are given back.
class Planner {
 public:
  Planner(const MemoryTrial& trial, const MemoryAllowance& allowance)
      : trial_(trial),
        allowance_(allowance),
        limit_bytes_(std::min(allowance.bytes, allowance.comfortable_bytes)),
        base_bytes_(kProcessBytes + trial.lasting_bytes()) {}

  std::optional<MemoryPlan> together() const {
    TrialPeak peak = trial_(trial_.stages(), {}, std::nullopt);
    peak.bytes = difference_or_zero(peak.bytes, trial_.replaced_bytes());  // pages that nobody reads any more
    peak.bytes = std::max(peak.bytes, trial_.preparing_bytes());
    if (!fits(peak)) return std::nullopt;
    return MemoryPlan{.needed_bytes = of_process(peak)};
  }

  MemoryPlan apart() {
    const TrialPeak smallest = least();
    const uint64_t smallest_bytes = of_process(smallest);
    if (smallest_bytes > allowance_.bytes || smallest.tensor_bytes > allowance_.tensor_bytes) {
      refuse(trial_, smallest_bytes, allowance_);
    }
    limit_bytes_ = std::max(limit_bytes_, smallest_bytes);
    MemoryPlan plan{.needed_bytes = of_process({.bytes = trial_.preparing_bytes(), .tensor_bytes = 0}),
                    .stages_apart = true};
    for (const MemoryStage stage : trial_.stages()) adopt(stage, choose(stage), plan);
    return plan;
  }

  uint64_t smallest_bytes() const { return of_process(least()); }

 private:
  struct Choice {
    StageModes modes;
    uint64_t budget;  // of the allocator
    TrialPeak peak;
  };

  bool fits(const TrialPeak& peak) const {
    return of_process(peak) <= limit_bytes_ && peak.tensor_bytes <= allowance_.tensor_bytes;
  }
  uint64_t of_process(const TrialPeak& peak) const { return base_bytes_ + peak.bytes + peak.bytes / kMarginShare; }
  TrialPeak peak_of(MemoryStage stage, const StageModes& modes, uint64_t budget) const {
    return trial_(std::span(&stage, 1), modes, budget);
  }
  uint64_t budget_for(uint64_t weight_bytes) const {
    const uint64_t taken = base_bytes_ + weight_bytes + limit_bytes_ / kMarginShare;
    return std::min(difference_or_zero(limit_bytes_, taken), allowance_.tensor_bytes);
  }

  // The widest moments of all stages, each done in the way that takes least.
  TrialPeak least() const {
    TrialPeak widest{.bytes = trial_.preparing_bytes(), .tensor_bytes = 0};
    for (const MemoryStage stage : trial_.stages()) {
      const TrialPeak peak = least(stage, trial_.ladder(stage).back()).peak;
      widest.bytes = std::max(widest.bytes, peak.bytes);
      widest.tensor_bytes = std::max(widest.tensor_bytes, peak.tensor_bytes);
    }
    return widest;
  }

  // With as few blocks kept for later as the widest moment leaves.
  Choice least(MemoryStage stage, const StageModes& modes) const {
    const uint64_t widest = peak_of(stage, modes, 0).tensor_bytes;
    return {.modes = modes, .budget = widest, .peak = peak_of(stage, modes, widest)};
  }

  Choice choose(MemoryStage stage) const {
    for (const StageModes& modes : trial_.ladder(stage)) {
      const bool stays = modes.residency == ResidencyPlan(Residency::packed);
      Choice choice{.modes = modes, .budget = budget_for(stays ? trial_.weight_bytes(stage) : 0), .peak = {}};
      choice.peak = peak_of(stage, modes, choice.budget);
      if (!fits(choice.peak)) choice = least(stage, modes);
      if (!fits(choice.peak)) continue;
      return !stays && stage == MemoryStage::sampling ? with_what_fits(choice) : choice;
    }
    return least(stage, trial_.ladder(stage).back());
  }

  // Of the network, which is used in every step, as many blocks stay as half of the room holds; the other half is for
  // tensors that are kept for the next operation.
  Choice with_what_fits(const Choice& streamed) const {
    const uint64_t taken = of_process(least(MemoryStage::sampling, streamed.modes).peak);
    const uint64_t room = difference_or_zero(limit_bytes_, taken) / 2;
    Choice choice = streamed;
    uint64_t kept = 0;
    for (const auto& [block, bytes] : trial_.blocks()) {
      if (kept + bytes > room) continue;
      kept += bytes;
      choice.modes.residency.set(block, Residency::packed);
    }
    if (kept == 0) return streamed;
    choice.budget = budget_for(kept);
    choice.peak = peak_of(MemoryStage::sampling, choice.modes, choice.budget);
    return fits(choice.peak) ? choice : streamed;
  }

  void adopt(MemoryStage stage, const Choice& choice, MemoryPlan& plan) const {
    plan.needed_bytes = std::max(plan.needed_bytes, of_process(choice.peak));
    plan.budgets[stage] = choice.budget;
    for (const std::string& prefix : trial_.prefixes(stage)) plan.modes.residency.add(choice.modes.residency, prefix);
    if (stage == MemoryStage::sampling) plan.modes.rows_at_once = choice.modes.rows_at_once;
    if (stage == MemoryStage::encoding) plan.modes.encoder_bands = choice.modes.encoder_bands;
    if (stage == MemoryStage::decoding) plan.modes.decoder_bands = choice.modes.decoder_bands;
  }

  const MemoryTrial& trial_;
  MemoryAllowance allowance_;
  uint64_t limit_bytes_;  // that is kept to
  uint64_t base_bytes_;
};

}  // namespace

namespace {

// What the card has left, in the place of what the machine has; nobody else is expected to take of it.
MemoryAllowance card_allowance(uint64_t limit_bytes, bool low_memory, uint64_t free) {
  const uint64_t comfortable = std::min(limit_bytes, static_cast<uint64_t>(static_cast<double>(free) * kShareOfCard));
  return {.bytes = std::min(free, limit_bytes),
          .comfortable_bytes = low_memory ? std::min(comfortable, kLowMemoryBytes) : comfortable,
          .tensor_bytes = free};
}

}  // namespace

MemoryAllowance memory_allowance(uint64_t limit_bytes, bool low_memory, const Device& device) {
  if (const std::optional<uint64_t> available = device.allocator().available_bytes()) {
    return card_allowance(limit_bytes, low_memory, *available + device.allocator().bytes_in_use());
  }
  const MemoryInfo info = memory_info();
  const uint64_t free = info.resident_bytes + resident_bytes();
  const uint64_t tensors =
      device.allocator().bytes_in_use() + difference_or_zero(info.available_bytes, kAddressesBytes);
  const bool is_open = limit_bytes == std::numeric_limits<uint64_t>::max();
  const auto share = static_cast<uint64_t>(static_cast<double>(free) * kShareOfFree);
  const uint64_t comfortable = is_open ? share : limit_bytes;
  return {.bytes = std::min(free, limit_bytes),
          .comfortable_bytes = low_memory ? std::min(comfortable, kLowMemoryBytes) : comfortable,
          .tensor_bytes = info.available_bytes == info.resident_bytes ? free : tensors};
}

std::optional<uint64_t> MemoryPlan::budget_of(MemoryStage stage) const {
  const auto budget = budgets.find(stage);
  return budget == budgets.end() ? std::nullopt : std::optional(budget->second);
}

MemoryPlan plan_memory(const MemoryTrial& trial, const MemoryAllowance& allowance) {
  Planner planner(trial, allowance);
  if (const auto plan = planner.together()) return *plan;
  return planner.apart();
}

MemoryPlan plan_memory(const Model& model, const JobSize& job, const MemoryAllowance& allowance,
                       const PlanTarget& target) {
  return plan_memory(ModelTrial(model, job, target), allowance);
}

uint64_t smallest_memory(const MemoryTrial& trial) {
  constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
  return Planner(trial, {.bytes = kAll, .comfortable_bytes = kAll, .tensor_bytes = kAll}).smallest_bytes();
}

std::string describe(const MemoryPlan& plan) {
  if (!plan.stages_apart) return "everything stays";
  std::string text = "one stage at a time";
  const StageModes& modes = plan.modes;
  if (modes.residency.of(fmt::format("{}.", Model::kUnet)) == Residency::streamed) text += ", weights from the file";
  if (modes.rows_at_once > 0) {
    text += fmt::format(", {} of a batch at once", modes.rows_at_once);
  }
  if (modes.decoder_bands == VaeBands::recomputed) text += ", decoding in bands that are computed twice";
  return text;
}

}  // namespace easel
