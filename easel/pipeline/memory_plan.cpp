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
constexpr uint64_t kProcessBytes = 30'000'000;  // measured: the program and its libraries, beside what the trial counts
constexpr uint64_t kMarginShare = 32;           // of the trial's peak: pages that come along with those that are read
constexpr uint64_t kAddressesBytes = 64'000'000;  // of stacks and code: they count against `ulimit -v`

constexpr const char* kDepthPrefix = "depth_model.";

// What a person is told to allow.
std::string megabytes_for(uint64_t bytes) { return fmt::format("{} MB", (bytes + 999'999) / 1'000'000); }

uint64_t difference_or_zero(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

using Stages = std::vector<MemoryStage>;

// Those between which weights can be given back; the depth network runs as a part of encoding.
Stages stages_of(const JobSize& job) {
  Stages stages = {MemoryStage::text};
  if (job.from_image) stages.push_back(MemoryStage::encoding);
  stages.push_back(MemoryStage::sampling);
  stages.push_back(MemoryStage::decoding);
  return stages;
}

std::string prefix_of(MemoryStage stage) {
  switch (stage) {
    case MemoryStage::text: return fmt::format("{}.", Model::kTextEncoder);
    case MemoryStage::sampling: return fmt::format("{}.", Model::kUnet);
    case MemoryStage::encoding: return fmt::format("{}.encoder.", Model::kVae);
    case MemoryStage::decoding: break;
  }
  return fmt::format("{}.decoder.", Model::kVae);
}

[[noreturn]] void refuse(const Model& model, const JobSize& job, uint64_t smallest, const MemoryAllowance& allowance) {
  std::vector<std::string> cures = {"a smaller --width and --height"};
  if (job.batch > 1) cures.push_back("a smaller --batch-size");
  throw Error(ErrorCode::out_of_memory,
              "{}x{} in batches of {} with {} needs at least {} of memory, but {} can be had; try {}, a --memory-limit "
              "of {} if there is as much, or close other programs",
              job.width_px, job.height_px, job.batch, model.name(), megabytes_for(smallest),
              format_bytes(std::min(allowance.bytes, allowance.tensor_bytes)), fmt::join(cures, " or "),
              megabytes_for(smallest));
}

// Chooses for one stage after the other: they do not touch each other once their weights are given back.
class Planner {
 public:
  Planner(const Model& model, const JobSize& job, const MemoryAllowance& allowance, int threads)
      : model_(model), job_(job), allowance_(allowance), trial_(model, job, threads) {
    base_bytes_ =
        kProcessBytes + 2 * static_cast<uint64_t>(job.batch * job.width_px * job.height_px) * 3 + job.loras.kept_bytes;
  }

  std::optional<MemoryPlan> together() const {
    TrialPeak peak = trial_(stages_of(job_), {}, std::nullopt);
    peak.bytes = difference_or_zero(peak.bytes, job_.loras.replaced_bytes);  // pages that nobody reads any more
    peak.bytes = std::max(peak.bytes, job_.loras.working_bytes);
    if (!fits(peak)) return std::nullopt;
    return MemoryPlan{.needed_bytes = of_process(peak)};
  }

  MemoryPlan apart() {
    const uint64_t smallest = smallest_bytes();
    if (allowance_.least) allowance_.bytes = std::min(allowance_.bytes, smallest);
    if (smallest > allowance_.bytes || smallest_tensor_bytes_ > allowance_.tensor_bytes) {
      refuse(model_, job_, smallest, allowance_);
    }
    MemoryPlan plan{.stages_apart = true};
    for (const MemoryStage stage : stages_of(job_)) adopt(stage, choose(stage), plan);
    if (allowance_.least) plan.needed_bytes = smallest;
    return plan;
  }

  uint64_t smallest_bytes() {
    uint64_t smallest = base_bytes_ + job_.loras.working_bytes;
    for (const MemoryStage stage : stages_of(job_)) {
      const TrialPeak peak = least(stage, ladder(stage).back()).peak;
      smallest = std::max(smallest, of_process(peak));
      smallest_tensor_bytes_ = std::max(smallest_tensor_bytes_, peak.tensor_bytes);
    }
    return smallest;
  }

 private:
  struct Choice {
    StageModes modes;
    uint64_t budget;  // of the allocator
    TrialPeak peak;
  };

  bool fits(const TrialPeak& peak) const {
    return of_process(peak) <= allowance_.bytes && peak.tensor_bytes <= allowance_.tensor_bytes;
  }
  uint64_t of_process(const TrialPeak& peak) const { return base_bytes_ + peak.bytes + peak.bytes / kMarginShare; }
  TrialPeak peak_of(MemoryStage stage, const StageModes& modes, uint64_t budget) const {
    return trial_(std::span(&stage, 1), modes, budget);
  }
  uint64_t budget_for(uint64_t weight_bytes) const {
    const uint64_t taken = base_bytes_ + weight_bytes + allowance_.bytes / kMarginShare;
    return std::min(allowance_.bytes > taken ? allowance_.bytes - taken : 0, allowance_.tensor_bytes);
  }

  // From the fastest to the one that takes least.
  std::vector<StageModes> ladder(MemoryStage stage) const {
    StageModes modes;
    std::vector<StageModes> rungs = {modes};
    const bool encodes = stage == MemoryStage::encoding;
    if (encodes || stage == MemoryStage::decoding) {
      for (const VaeBands bands : {VaeBands::kept, VaeBands::recomputed}) {
        (encodes ? modes.encoder_bands : modes.decoder_bands) = bands;
        modes.residency = Residency::packed;
        rungs.push_back(modes);
        modes.residency = Residency::streamed;
        rungs.push_back(modes);
      }
      return rungs;
    }
    modes.residency = Residency::streamed;
    rungs.push_back(modes);
    if (stage != MemoryStage::sampling) return rungs;
    for (int64_t rows = job_.batch * job_.latents; rows > 1;) {
      rows = (rows + 1) / 2;
      modes.rows_at_once = rows;
      rungs.push_back(modes);
    }
    return rungs;
  }

  // With as few blocks kept for later as the widest moment leaves.
  Choice least(MemoryStage stage, const StageModes& modes) const {
    const uint64_t widest = peak_of(stage, modes, 0).tensor_bytes;
    return {.modes = modes, .budget = widest, .peak = peak_of(stage, modes, widest)};
  }

  Choice choose(MemoryStage stage) const {
    for (const StageModes& modes : ladder(stage)) {
      const bool stays = modes.residency == ResidencyPlan(Residency::packed);
      Choice choice{.modes = modes, .budget = budget_for(stays ? weight_bytes(stage) : 0), .peak = {}};
      choice.peak = peak_of(stage, modes, choice.budget);
      if (!fits(choice.peak)) choice = least(stage, modes);
      if (!fits(choice.peak)) continue;
      return !stays && stage == MemoryStage::sampling ? with_what_fits(choice) : choice;
    }
    return least(stage, ladder(stage).back());  // as smallest_bytes() did
  }

  // Of the network, which is used in every step, as many blocks stay as half of the room holds; the other half is for
  // tensors that are kept for the next operation.
  Choice with_what_fits(const Choice& streamed) const {
    const uint64_t taken = of_process(least(MemoryStage::sampling, streamed.modes).peak);
    const uint64_t room = allowance_.bytes > taken ? (allowance_.bytes - taken) / 2 : 0;
    Choice choice = streamed;
    uint64_t kept = 0;
    for (const auto& [block, bytes] : model_.unet_blocks()) {
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
    plan.modes.residency.add(choice.modes.residency, prefix_of(stage));
    if (stage == MemoryStage::encoding) plan.modes.residency.add(choice.modes.residency, kDepthPrefix);
    if (stage == MemoryStage::sampling) plan.modes.rows_at_once = choice.modes.rows_at_once;
    if (stage == MemoryStage::encoding) plan.modes.encoder_bands = choice.modes.encoder_bands;
    if (stage == MemoryStage::decoding) plan.modes.decoder_bands = choice.modes.decoder_bands;
  }

  uint64_t weight_bytes(MemoryStage stage) const {
    const bool with_depth = stage == MemoryStage::encoding && job_.estimates_depth;
    uint64_t bytes = model_.file_bytes(prefix_of(stage)) + (with_depth ? model_.file_bytes(kDepthPrefix) : 0);
    if (stage != MemoryStage::sampling) return bytes;
    for (const auto& control : job_.controls) {
      for (const WeightData& tensor : control->tensors()) bytes += tensor.bytes.size();
    }
    return bytes;
  }

  const Model& model_;
  const JobSize& job_;
  MemoryAllowance allowance_;
  MemoryTrial trial_;
  uint64_t base_bytes_ = 0;
  uint64_t smallest_tensor_bytes_ = 0;
};

}  // namespace

MemoryAllowance memory_allowance(uint64_t limit_bytes, bool least, const Device& device) {
  const MemoryInfo info = memory_info();
  const uint64_t free = info.resident_bytes + resident_bytes();
  const uint64_t tensors =
      device.allocator().bytes_in_use() + difference_or_zero(info.available_bytes, kAddressesBytes);
  const bool is_open = limit_bytes == std::numeric_limits<uint64_t>::max();
  const auto share = static_cast<uint64_t>(static_cast<double>(free) * kShareOfFree);
  return {.bytes = std::min(free, limit_bytes),
          .comfortable_bytes = is_open ? share : limit_bytes,
          .tensor_bytes = std::min(tensors, info.available_bytes == info.resident_bytes ? free : tensors),
          .least = least};
}

MemoryPlan plan_memory(const Model& model, const JobSize& job, const MemoryAllowance& allowance, int threads) {
  MemoryAllowance comfortable = allowance;
  comfortable.bytes = std::min(allowance.bytes, allowance.comfortable_bytes);
  Planner planner(model, job, comfortable, threads);
  if (!allowance.least) {
    if (const auto plan = planner.together()) return *plan;
  }
  if (planner.smallest_bytes() <= comfortable.bytes) return planner.apart();
  return Planner(model, job, allowance, threads).apart();
}

std::string describe(const MemoryPlan& plan) {
  if (!plan.stages_apart) return "everything stays";
  std::string text = "one stage at a time";
  const StageModes& modes = plan.modes;
  if (modes.residency.of(fmt::format("{}.", Model::kUnet)) == Residency::streamed) text += ", weights from the file";
  if (modes.rows_at_once > 0) {
    text += fmt::format(", {} of a batch at once", modes.rows_at_once);
  }
  if (modes.decoder_bands == VaeBands::kept) text += ", decoding in bands";
  if (modes.decoder_bands == VaeBands::recomputed) text += ", decoding in bands that are computed twice";
  return text;
}

}  // namespace easel
