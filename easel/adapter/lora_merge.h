// LoraMerger: a model's weights with LoRAs worked into them, so that a step of the networks costs what it did before.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "easel/adapter/lora_targets.h"
#include "easel/tensor/device.h"

namespace easel {

struct LoraUse {
  std::shared_ptr<const Lora> lora;
  double unet_weight;
  double text_encoder_weight;
};

class LoraMerger {
 public:
  explicit LoraMerger(std::shared_ptr<const Checkpoint> model);

  // Throws Error bad_checkpoint if a layer does not fit.
  void require_fit(const Lora& lora) const { targets_.require_fit(lora); }

  // Bytes of the weights that merging would make, of those in the file that they replace, and of the largest
  // intermediate result.
  struct Need {
    uint64_t kept_bytes = 0;
    uint64_t replaced_bytes = 0;
    uint64_t working_bytes = 0;
  };
  Need need(const std::vector<LoraUse>& uses) const;

  // The model with W + sum of weight * scale * up @ down in the place of each W that `uses` change: F16 and quantised
  // types become F16, all others F32. What is merged like this already is kept, everything else forgotten; without
  // `uses` the result is the model itself. The tensors are memory of `device`. `pulse` is called between layers and may
  // throw to stop. Throws Error bad_checkpoint where a weight is no longer finite.
  std::shared_ptr<const Checkpoint> merge(const std::vector<LoraUse>& uses, const Device& device,
                                          const std::function<void()>& pulse = {});

  // Tensors that the last merge() computed, not those it kept.
  int64_t merged_last() const { return merged_last_; }

 private:
  struct Change {
    std::shared_ptr<const Lora> lora;
    const LoraLayer* layer;
    LoraTarget target;
    double factor;
    bool operator==(const Change& other) const { return layer == other.layer && factor == other.factor; }
  };
  struct Merged {
    std::vector<Change> changes;
    WeightData data;
  };
  using Plan = std::map<std::string, std::vector<Change>>;  // by tensor

  Plan plan(const std::vector<LoraUse>& uses) const;
  WeightData merged(const WeightData& weight, const std::vector<Change>& changes, const Device& device) const;

  std::shared_ptr<const Checkpoint> model_;
  LoraTargets targets_;
  std::map<std::string, Merged> kept_;
  int64_t merged_last_ = 0;
};

}  // namespace easel
