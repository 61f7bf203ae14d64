// The stages of a job, run without memory and arithmetic to see what they would take. Private to easel/pipeline.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "easel/backend/devices.h"
#include "easel/checkpoint/residency_plan.h"
#include "easel/vae/bands.h"

namespace easel {

// encoding: with the depth network, if it is asked; network: all there is of a job of one network.
enum class MemoryStage { text, encoding, sampling, decoding, network };

// How the stages go about it.
struct StageModes {
  ResidencyPlan residency = {};
  int64_t rows_at_once = 0;  // of the network's batch; 0: all
  VaeBands encoder_bands = VaeBands::kept;
  VaeBands decoder_bands = VaeBands::kept;

  bool operator==(const StageModes&) const = default;
};

struct TrialPeak {
  uint64_t bytes;         // of tensors, of lists of numbers beside them, and of the pages of files
  uint64_t tensor_bytes;  // alone
};

// A job, as far as memory goes.
class MemoryTrial {
 public:
  // reduced: the numbers of products, if they are not f32
  MemoryTrial(const PlanTarget& target, std::optional<ReducedNumbers> reduced) : target_(target), reduced_(reduced) {}
  virtual ~MemoryTrial() = default;
  MemoryTrial(const MemoryTrial&) = delete;
  MemoryTrial& operator=(const MemoryTrial&) = delete;

  // In the order they run; between them weights can be given back.
  virtual std::vector<MemoryStage> stages() const = 0;
  // From the fastest way to the one that takes least.
  virtual std::vector<StageModes> ladder(MemoryStage stage) const = 0;
  // What the names of a stage's weights begin with.
  virtual std::vector<std::string> prefixes(MemoryStage stage) const = 0;
  virtual uint64_t weight_bytes(MemoryStage stage) const = 0;  // in the file
  // Parts of the sampling network, any of which can stay: what the names of their weights begin with, and their bytes.
  virtual std::vector<std::pair<std::string, uint64_t>> blocks() const { return {}; }
  virtual uint64_t lasting_bytes() const = 0;             // of images and merged weights, in all stages
  virtual uint64_t preparing_bytes() const { return 0; }  // beside them, before the first stage
  virtual uint64_t replaced_bytes() const { return 0; }   // of weights in the file that merged ones stand for

  bool on_card() const { return target_.kind == DeviceKind::cuda; }

  // For whom there is too little memory: "768x512 in batches of 2 with sd1-tiny"; what takes less: "a smaller --width".
  virtual std::string subject() const = 0;
  virtual std::string cure() const = 0;

  // The stages one after the other, each weight that stays staying. budget: of the allocator.
  TrialPeak operator()(std::span<const MemoryStage> stages, const StageModes& modes,
                       std::optional<uint64_t> budget) const;

 private:
  virtual void run(MemoryStage stage, const StageModes& modes, const PlanningDevice& plan) const = 0;

  PlanTarget target_;
  std::optional<ReducedNumbers> reduced_;
};

// While it lives, so much memory is taken that is no tensor's.
class OtherMemory {
 public:
  OtherMemory(const PlanningDevice& plan, uint64_t bytes) : memory_(plan.memory), bytes_(static_cast<int64_t>(bytes)) {
    memory_.hold(bytes_);
  }
  ~OtherMemory() { memory_.hold(-bytes_); }
  OtherMemory(const OtherMemory&) = delete;
  OtherMemory& operator=(const OtherMemory&) = delete;

 private:
  CountingAllocator& memory_;
  int64_t bytes_;
};

// A job of one network, whose weights stay or are read from the file.
class NetworkTrial : public MemoryTrial {
 public:
  struct Job {
    std::string subject;
    std::string cure;
    uint64_t weight_bytes;
    uint64_t lasting_bytes;
    std::function<void(Residency, const PlanningDevice&)> run;
  };
  NetworkTrial(const PlanTarget& target, Job job) : MemoryTrial(target, std::nullopt), job_(std::move(job)) {}

  std::vector<MemoryStage> stages() const override { return {MemoryStage::network}; }
  std::vector<StageModes> ladder(MemoryStage stage) const override;
  std::vector<std::string> prefixes(MemoryStage /*stage*/) const override { return {""}; }
  uint64_t weight_bytes(MemoryStage /*stage*/) const override { return job_.weight_bytes; }
  uint64_t lasting_bytes() const override { return job_.lasting_bytes; }
  std::string subject() const override { return job_.subject; }
  std::string cure() const override { return job_.cure; }

 private:
  void run(MemoryStage stage, const StageModes& modes, const PlanningDevice& plan) const override;

  Job job_;
};

}  // namespace easel
