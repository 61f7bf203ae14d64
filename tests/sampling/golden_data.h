// The reference numbers of tests/golden/samplers, philox and models.
#pragma once

#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "easel/checkpoint/checkpoint.h"
#include "easel/tensor/layout.h"
#include "tests/support/golden.h"

namespace easel::testing {

inline nlohmann::json golden_json(const std::string& name) {
  std::ifstream file(golden_path(name));
  return nlohmann::json::parse(file);
}

// The "cases" of such a file, by value: a range-for over a part of a temporary would outlive it.
inline nlohmann::json golden_cases(const std::string& name) { return golden_json(name)["cases"]; }

// Tensors of one safetensors file as double, in the order they are recorded.
class GoldenTensors {
 public:
  explicit GoldenTensors(const std::string& name) : checkpoint_(Checkpoint::open(golden_path(name))) {}

  const WeightData& find(const std::string& name) const {
    const WeightData* data = checkpoint_->find(name);
    if (data == nullptr) throw std::runtime_error("no tensor " + name);
    return *data;
  }

  std::vector<double> values(const std::string& name) const {
    const WeightData& data = find(name);
    const auto count = static_cast<size_t>(data.shape.count());
    switch (data.bytes.size() / std::max<size_t>(count, 1)) {
      case 4: return data.dtype == DType::f32 ? read<float>(data, count) : read<int32_t>(data, count);
      case 8: return data.dtype == DType::f64 ? read<double>(data, count) : read<int64_t>(data, count);
      default: throw std::runtime_error("unexpected type of " + name);
    }
  }

 private:
  template <typename T>
  static std::vector<double> read(const WeightData& data, size_t count) {
    std::vector<T> values(count);
    std::memcpy(values.data(), data.bytes.data(), data.bytes.size());
    return {values.begin(), values.end()};
  }

  std::shared_ptr<const Checkpoint> checkpoint_;
};

}  // namespace easel::testing
