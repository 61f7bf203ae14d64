// The ControlNets of a job. Private to easel/pipeline.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "easel/control/control_net.h"
#include "easel/pipeline/adapters.h"
#include "easel/pipeline/depth_estimator.h"
#include "easel/pipeline/model.h"
#include "easel/pipeline/request.h"

namespace easel {

struct OpenControlNet {
  // What a plan of the memory calls its weights.
  static constexpr std::string_view kWeights = "control_model.";

  std::shared_ptr<const Checkpoint> checkpoint;
  Weights weights;
  ControlNet network;
  Residency residency = Residency::packed;

  // Throws Error bad_checkpoint: damaged, or no ControlNet.
  static std::shared_ptr<OpenControlNet> open(std::shared_ptr<const Checkpoint> checkpoint);

  uint64_t file_bytes() const;
  // How its weights stay from now on.
  void arrange(Residency wanted);
  // Gives the memory of weights back, and the pages of the file; all is read again at the next use.
  void unload();
};
using ControlNets = std::vector<std::shared_ptr<OpenControlNet>>;

// The ControlNet files of a pipeline, each opened once.
class ControlLibrary {
 public:
  // One for each of the request's, in order; those that are not among them are closed. Throws Error not_found (the
  // nearest name is suggested) or bad_checkpoint: damaged, no ControlNet, or made for another family of models.
  ControlNets open(const AdapterShelf& shelf, const Request& request, const Model& model);

 private:
  struct Entry {
    uint64_t bytes;
    int64_t changed;
    std::shared_ptr<OpenControlNet> control_net;
  };
  std::map<std::string, Entry> entries_;  // by path
};

// A ControlNet at work in one pass of a job.
struct Control {
  std::shared_ptr<OpenControlNet> control_net;
  Tensor hint;  // of ControlNet::read_hint()
  double weight;
  double start;
  double end;

  const ControlNet& network() const { return control_net->network; }
  bool acts_at(int64_t step, int64_t steps) const {
    return static_cast<double>(step) >= start * static_cast<double>(steps) &&
           static_cast<double>(step + 1) <= end * static_cast<double>(steps);
  }
};

// What estimates depth where a preprocessor asks for it.
using EstimateDepth = std::function<Image(const Image& image)>;

// The picture that a ControlNet sees: `choice.image`, or else `initial`, brought to `size` and preprocessed.
Image control_map(const ControlChoice& choice, const Image* initial, Size size, const EstimateDepth& estimate_depth);

// request: of the pass, with nothing left open. initial: the image as the networks see it, or nullptr.
std::vector<Control> make_controls(const ControlNets& control_nets, const Request& request, const Image* initial,
                                   const Device& device, const EstimateDepth& estimate_depth);

// Which controls act at this step of `steps`.
std::vector<size_t> acting_controls(const std::vector<Control>& controls, int64_t step, int64_t steps);

// The sum of what the controls `acting` add to the UNet; empty if there are none. x [n, h, w, 4]; conditionings: one
// for each control; skips: as of ControlNet::operator().
std::vector<Tensor> steering(const std::vector<Control>& controls,
                             const std::vector<ControlNet::Conditioning>& conditionings, std::span<const size_t> acting,
                             const Tensor& x, std::span<const float> timesteps, std::optional<int64_t> skips,
                             const BlockObserver& observe = {});

}  // namespace easel
