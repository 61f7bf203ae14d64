// ResidencyPlan: which weights stay in memory, by stage and by layer.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "easel/tensor/parameter.h"

namespace easel {

class ResidencyPlan {
 public:
  ResidencyPlan(Residency all = Residency::packed) : rules_{{"", all}} {}  // NOLINT: one for all is a plan too

  // For tensors whose name begins with `prefix`: "model.diffusion_model.", or "model.diffusion_model.input_blocks.1.".
  // Of several prefixes that fit a name the longest decides.
  void set(std::string prefix, Residency residency) { rules_.insert_or_assign(std::move(prefix), residency); }
  Residency of(std::string_view name) const;

  // As `other` for tensors whose name begins with `prefix`; its other rules are below that.
  void add(const ResidencyPlan& other, const std::string& prefix);

  bool operator==(const ResidencyPlan&) const = default;

 private:
  std::map<std::string, Residency, std::less<>> rules_;
};

}  // namespace easel
