// Weights: where the layers of a network read their parameters, by path.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "easel/checkpoint/checkpoint.h"
#include "easel/checkpoint/residency_plan.h"
#include "easel/tensor/parameter.h"

namespace easel {

// A cheap handle. All handles made from one root collect what is missing or wrongly shaped in one list, so that a
// network is constructed in full and require_complete() then names every fault at once. Not for use from several
// threads.
class Weights {
 public:
  explicit Weights(std::shared_ptr<const Checkpoint> checkpoint, ResidencyPlan residency = {});
  // From tensors in memory, for tests.
  explicit Weights(std::vector<WeightData> tensors, ResidencyPlan residency = {});

  // The weights below `component`: (weights / "encoder" / "layers.0").parameter("weight", ...).
  Weights operator/(std::string_view component) const;
  Weights operator/(int64_t index) const { return *this / std::to_string(index); }
  const std::string& path() const { return path_; }
  const std::string& file() const;  // without overlays

  // A floating-point tensor of this shape; [o, i] and [o, i, 1, 1] are the same bytes and count as the same shape, and
  // so does [i] for [1, i]. If it is missing or of another shape that is noted for require_complete() and the result
  // has shape {0}.
  Parameter parameter(std::string_view name, const Shape& expected) const;
  // Nothing if there is no such tensor; a wrong shape is noted as above.
  std::optional<Parameter> optional_parameter(std::string_view name, const Shape& expected) const;

  bool has(std::string_view name) const;     // a tensor of that name or anything below it
  Shape shape(std::string_view name) const;  // throws Error bad_checkpoint if it is missing

  // From now on names below `prefix` (a full path, "first_stage_model") come from `other`, where they may lack the
  // prefix. A component of which `other` has nothing at all (a VAE file without encoder) still comes from here.
  // The result is a root with a list of faults of its own.
  Weights overlay(std::string_view prefix, std::shared_ptr<const Checkpoint> other) const;

  // The same weights, of which the parameters that are read from now on stay as another plan says.
  Weights staying(ResidencyPlan residency) const;

  // Throws one Error bad_checkpoint that names the file, the missing tensors and those with another shape, `shown` of
  // each kind.
  void require_complete(size_t shown = 8) const;

  // The tensors below this path that nobody has asked for, "NAME SHAPE". Not after overlay().
  std::vector<std::string> unread() const;

 private:
  struct State;
  struct Place {  // where a name is looked up
    const Checkpoint* checkpoint;
    std::string name;
  };
  explicit Weights(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::string full_name(std::string_view name) const;
  Place place_of(const std::string& full_name) const;

  std::shared_ptr<State> state_;
  std::string path_;
};

}  // namespace easel
