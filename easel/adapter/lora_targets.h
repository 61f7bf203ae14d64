// LoraTargets: which weight of a checkpoint a LoRA's layer changes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "easel/adapter/lora.h"

namespace easel {

// A weight, or some of its rows: q, k and v of OpenCLIP are one matrix.
struct LoraTarget {
  std::string tensor;     // in the checkpoint, "model.diffusion_model....weight"
  int64_t row_begin = 0;  // of the outermost dimension
  int64_t row_count = 0;
  int64_t columns = 0;  // in each row, a convolution's window included
  Shape shape;          // of the whole weight

  // Whether up @ down of the layer has as many rows and columns.
  bool fits(const LoraLayer& layer) const;
};

class LoraTargets {
 public:
  // The linear layers and convolutions of UNet and text encoder, under all the names that LoRA files give them.
  explicit LoraTargets(const Checkpoint& model);

  const LoraTarget* find(const LoraLayer& layer) const;  // nullptr if the model has no such layer

  // Throws one Error bad_checkpoint that names every layer of `lora` that the model lacks or whose shape differs.
  void require_fit(const Lora& lora) const;

 private:
  void add_unet(const Checkpoint& model);
  void add_text_encoder(const Checkpoint& model);
  void add(LoraPart part, std::string name, const LoraTarget& target);

  std::string model_;  // the file's name, for messages
  std::map<std::string, LoraTarget> unet_;
  std::map<std::string, LoraTarget> text_encoder_;
};

}  // namespace easel
