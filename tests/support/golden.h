// Reference data under tests/golden: a safetensors file of inputs and outputs.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "easel/checkpoint/checkpoint.h"
#include "easel/tensor/tensor.h"

namespace easel::testing {

std::filesystem::path golden_path(const std::string& name);  // tests/golden/NAME

// A checkpoint of zeros with the tensors listed in tests/golden/checkpoints/NAME.json, at full size. It takes no memory
// as long as nobody writes, so it serves to test what is read off names and shapes.
std::shared_ptr<const Checkpoint> checkpoint_structure(const std::string& name);

// The file that EASEL_FULL_CHECKPOINT names: sd1.json at full size, by the formula of tests/golden/checkpoints.
std::optional<std::filesystem::path> full_checkpoint_path();

// The tensors of tests/golden/NAME.safetensors. A name that is not there ends the test with an Error.
class Golden {
 public:
  Golden(const std::string& name, const Device& device);

  bool has(std::string_view tensor) const { return file_->find(tensor) != nullptr; }
  std::vector<std::string> names(std::string_view prefix) const;  // sorted
  Shape shape(std::string_view tensor) const { return data(tensor).shape; }

  Tensor operator[](std::string_view tensor) const;                 // as recorded, f32
  Tensor nhwc(std::string_view tensor) const;                       // recorded as [n, c, h, w]
  std::vector<float> values(std::string_view tensor) const;         // as recorded, converted from any type
  std::vector<int32_t> integers(std::string_view tensor) const;     // I32 or I64
  std::vector<uint8_t> image_bytes(std::string_view tensor) const;  // U8

 private:
  const WeightData& data(std::string_view tensor) const;

  std::shared_ptr<const Checkpoint> file_;
  const Device& device_;
};

}  // namespace easel::testing
