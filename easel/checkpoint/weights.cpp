#include "easel/checkpoint/weights.h"

#include <algorithm>
#include <map>
#include <set>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {
namespace {

// What was asked of one file and not found there.
struct Faults {
  std::vector<std::string> missing;
  std::vector<std::string> wrong;  // "NAME is [1, 2], expected [2, 2]"
};

// A 1x1 convolution and a linear layer have the same bytes: trailing ones after [o, i] do not count.
Shape without_window(const Shape& shape) {
  std::span<const int64_t> dims = shape.dims();
  while (dims.size() > 2 && dims.back() == 1) dims = dims.first(dims.size() - 1);
  return Shape(dims);
}

// What GGUF stores of a shape: leading ones are left out.
Shape without_leading_ones(const Shape& shape) {
  std::span<const int64_t> dims = shape.dims();
  while (dims.size() > 1 && dims.front() == 1) dims = dims.subspan(1);
  return Shape(dims);
}

bool is_same(const Shape& found, const Shape& expected) {
  return without_window(found) == without_window(expected) || found == without_leading_ones(expected);
}

// Products read a weight by rows, [shape[0], the rest], so blocks must not reach from one row into the next.
bool has_whole_blocks(const WeightData& tensor, const Shape& shape) {
  const int64_t row = shape.rank() == 0 || shape[0] == 0 ? 1 : shape.count() / shape[0];
  return row % block_of(tensor.dtype).elements == 0;
}

// What keeps `found` from being a weight of that shape; empty if nothing does.
std::string misfit(const WeightData& found, const std::string& name, const Shape& expected) {
  if (!is_same(found.shape, expected)) {
    return fmt::format("{} is {}, expected {}", name, found.shape, expected);
  }
  if (!is_floating(found.dtype)) {
    return fmt::format("{} holds {}, expected floating point", name, name_of(found.dtype));
  }
  if (!has_whole_blocks(found, expected)) {
    return fmt::format("{} is {} in {}, expected rows of whole blocks of {} elements", name, expected,
                       name_of(found.dtype), block_of(found.dtype).elements);
  }
  return {};
}

Parameter absent(const std::string& name) {
  return Parameter({.name = name, .shape = {0}, .dtype = DType::f32, .bytes = {}, .owner = nullptr});
}

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

std::string describe(const std::string& file, const Faults& faults, size_t shown) {
  std::string out = fmt::format("{}: ", file);
  if (!faults.missing.empty()) {
    out += fmt::format("{} {} missing: {}", faults.missing.size(),
                       faults.missing.size() == 1 ? "tensor is" : "tensors are", join_shortened(faults.missing, shown));
    if (!faults.wrong.empty()) out += "; ";
  }
  if (!faults.wrong.empty()) {
    out += fmt::format("{} {} not fit: {}", faults.wrong.size(),
                       faults.wrong.size() == 1 ? "tensor does" : "tensors do", join_shortened(faults.wrong, shown));
  }
  return out;
}

}  // namespace

struct Weights::State {
  struct Overlay {
    std::string prefix;  // "first_stage_model."
    std::shared_ptr<const Checkpoint> checkpoint;
    bool keeps_prefix;  // its names begin with the prefix too
  };
  std::shared_ptr<const Checkpoint> base;
  std::vector<Overlay> overlays;  // the last one that applies wins
  ResidencyPlan residency;
  std::map<std::string, Faults> faults;  // by file
  std::set<std::string> read;            // names in `base`
};

Weights::Weights(std::shared_ptr<const Checkpoint> checkpoint, ResidencyPlan residency)
    : state_(std::make_shared<State>()) {
  EASEL_ASSERT(checkpoint != nullptr);
  state_->base = std::move(checkpoint);
  state_->residency = std::move(residency);
}

Weights::Weights(std::vector<WeightData> tensors, ResidencyPlan residency)
    : Weights(Checkpoint::from_tensors("tensors in memory", std::move(tensors)), std::move(residency)) {}

Weights Weights::operator/(std::string_view component) const {
  Weights below(*this);
  below.path_ = full_name(component);
  return below;
}

const std::string& Weights::file() const { return state_->base->file(); }

std::string Weights::full_name(std::string_view name) const {
  if (path_.empty()) return std::string(name);
  return fmt::format("{}.{}", path_, name);
}

Weights::Place Weights::place_of(const std::string& full_name) const {
  for (auto overlay = state_->overlays.rbegin(); overlay != state_->overlays.rend(); ++overlay) {
    if (!full_name.starts_with(overlay->prefix)) continue;
    const std::string rest = full_name.substr(overlay->prefix.size());
    const std::string kept = overlay->keeps_prefix ? overlay->prefix : std::string();
    const std::string component = kept + rest.substr(0, rest.find('.'));
    if (overlay->checkpoint->has_prefix(component + ".")) return {overlay->checkpoint.get(), kept + rest};
  }
  return {state_->base.get(), full_name};
}

Parameter Weights::parameter(std::string_view name, const Shape& expected) const {
  if (auto found = optional_parameter(name, expected)) return *found;
  const Place place = place_of(full_name(name));
  add_once(state_->faults[place.checkpoint->file()].missing, place.name);
  return absent(place.name);
}

std::optional<Parameter> Weights::optional_parameter(std::string_view name, const Shape& expected) const {
  const Place place = place_of(full_name(name));
  const WeightData* found = place.checkpoint->find(place.name);
  if (found == nullptr) return std::nullopt;
  state_->read.insert(place.name);
  if (const std::string fault = misfit(*found, place.name, expected); !fault.empty()) {
    add_once(state_->faults[place.checkpoint->file()].wrong, fault);
    return absent(place.name);
  }
  WeightData data = *found;
  data.shape = expected;
  return Parameter(std::move(data), state_->residency.of(full_name(name)));
}

bool Weights::has(std::string_view name) const {
  const Place place = place_of(full_name(name));
  if (place.checkpoint->find(place.name) != nullptr) return true;
  return place.checkpoint->has_prefix(place.name + ".");
}

Shape Weights::shape(std::string_view name) const {
  const Place place = place_of(full_name(name));
  const WeightData* found = place.checkpoint->find(place.name);
  if (found == nullptr) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the tensor {} is missing; is the file complete?",
                place.checkpoint->file(), place.name);
  }
  return found->shape;
}

Weights Weights::overlay(std::string_view prefix, std::shared_ptr<const Checkpoint> other) const {
  EASEL_ASSERT(other != nullptr && !prefix.empty());
  auto state = std::make_shared<State>(*state_);
  state->faults.clear();
  const std::string with_dot = fmt::format("{}.", prefix);
  const bool keeps_prefix = other->has_prefix(with_dot);
  state->overlays.push_back({.prefix = with_dot, .checkpoint = std::move(other), .keeps_prefix = keeps_prefix});
  return Weights(std::move(state));
}

Weights Weights::staying(ResidencyPlan residency) const {
  auto state = std::make_shared<State>(*state_);
  state->residency = std::move(residency);
  Weights weights(std::move(state));
  weights.path_ = path_;
  return weights;
}

void Weights::require_complete(size_t shown) const {
  if (state_->faults.empty()) return;
  std::vector<std::string> parts;
  for (const auto& [file, faults] : state_->faults) parts.push_back(describe(file, faults, shown));
  throw Error(ErrorCode::bad_checkpoint, "{}; is the file complete and of the family it is used as?",
              fmt::join(parts, "; "));
}

std::vector<std::string> Weights::unread() const {
  EASEL_ASSERT(state_->overlays.empty());
  const std::string prefix = path_.empty() ? std::string() : fmt::format("{}.", path_);
  std::vector<std::string> out;
  for (const WeightData& tensor : state_->base->tensors()) {
    if (!tensor.name.starts_with(prefix) || state_->read.contains(tensor.name)) continue;
    out.push_back(fmt::format("{} {}", tensor.name, tensor.shape));
  }
  return out;
}

}  // namespace easel
