#include "easel/checkpoint/residency_plan.h"

namespace easel {

Residency ResidencyPlan::of(std::string_view name) const {
  size_t longest = 0;
  Residency residency = rules_.begin()->second;  // that of the empty prefix, which is always there
  for (const auto& [prefix, rule] : rules_) {
    if (prefix.size() < longest || !name.starts_with(prefix)) continue;
    longest = prefix.size();
    residency = rule;
  }
  return residency;
}

void ResidencyPlan::add(const ResidencyPlan& other, const std::string& prefix) {
  set(prefix, other.of(prefix));
  for (const auto& [name, rule] : other.rules_) {
    if (name.size() > prefix.size() && name.starts_with(prefix)) set(name, rule);
  }
}

}  // namespace easel
