// Classifier-free guidance (Ho & Salimans 2022) with prompts of any length and number, which may change from step to
// step. Private to easel/pipeline.
#pragma once

#include "easel/pipeline/latent.h"
#include "easel/pipeline/prompt_plan.h"

namespace easel {

class PromptGuidance {
 public:
  // task: outlives this
  PromptGuidance(const LatentTask& task, BlockObserver observe);

  // x [n, h, w, c] with variance 1; step of the whole schedule, from 0, also where an initial image leaves out the
  // first ones -> the guided prediction [n, h, w, c]: per image unconditional + scale * sum of weight (conditional -
  // unconditional) over its parts (Liu et al. 2022, eq. 11)
  Tensor operator()(const Tensor& x, const Level& level, int64_t step);

 private:
  // A run of the network: an image of the batch, and a text.
  struct Row {
    int64_t image;
    const Tensor* context;  // [1, t, width]
  };
  struct Group {
    std::vector<size_t> rows;  // whose contexts are of one length, as many as memory holds
    std::vector<const Tensor*> contexts;
    std::optional<UNet::Conditioning> conditioning;
    std::vector<ControlNet::Conditioning> controls;
    std::optional<Tensor> companion;
    std::optional<UNetShortcuts::DeepFeature> deep;  // kept from the last full call
  };

  std::vector<Row> rows_at(int64_t step) const;
  void regroup(const std::vector<Row>& rows);
  std::vector<Tensor> run(const Tensor& x, const Level& level, const std::vector<Row>& rows);
  void forget_old_features();

  const LatentTask& task_;
  BlockObserver observe_;
  std::vector<std::vector<PromptPart>> parts_;  // of each image
  PromptPart negative_;
  std::vector<const Tensor*> contexts_;  // of all rows as they were grouped last
  std::vector<Group> groups_;
  std::vector<size_t> acting_;    // of the task's controls, in this call
  bool acts_anew_ = false;        // others than in the call before
  int64_t calls_since_full_ = 0;  // of all groups together
};

}  // namespace easel
