#include "tests/support/golden.h"

#include <cstdlib>
#include <cstring>

#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/pages.h"
#include "easel/tensor/layout.h"

namespace easel::testing {
namespace {

template <typename T>
std::vector<T> copy_elements(const WeightData& data) {
  std::vector<T> out(data.bytes.size() / sizeof(T));
  std::memcpy(out.data(), data.bytes.data(), data.bytes.size());
  return out;
}

}  // namespace

std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(EASEL_SOURCE_DIR) / "tests" / "golden" / name;
}

std::shared_ptr<const Checkpoint> checkpoint_structure(const std::string& name) {
  const std::filesystem::path path = golden_path("checkpoints/" + name + ".json");
  const auto structure = nlohmann::json::parse(read_text_file(path, 1 << 24));
  std::vector<WeightData> tensors;
  uint64_t largest_bytes = 1;
  for (const auto& [key, sizes] : structure.items()) {
    const auto dims = sizes.get<std::vector<int64_t>>();
    tensors.push_back({.name = key, .shape = Shape(dims), .dtype = DType::f16, .bytes = {}, .owner = nullptr});
    largest_bytes = std::max(largest_bytes, static_cast<uint64_t>(2 * tensors.back().shape.count()));
  }
  const std::shared_ptr<std::byte> pages(map_pages(largest_bytes),
                                         [largest_bytes](std::byte* address) { unmap_pages(address, largest_bytes); });
  for (WeightData& tensor : tensors) {
    tensor.bytes = {pages.get(), static_cast<size_t>(2 * tensor.shape.count())};  // all share the same zeros
    tensor.owner = pages;
  }
  return Checkpoint::from_tensors(path.filename().string(), std::move(tensors));
}

std::optional<std::filesystem::path> full_checkpoint_path() {
  const char* path = std::getenv("EASEL_FULL_CHECKPOINT");
  return path == nullptr ? std::nullopt : std::optional<std::filesystem::path>(path);
}

Golden::Golden(const std::string& name, const Device& device)
    : file_(Checkpoint::open(golden_path(name + ".safetensors"))), device_(device) {}

const WeightData& Golden::data(std::string_view tensor) const {
  const WeightData* found = file_->find(tensor);
  if (found == nullptr) throw Error(ErrorCode::not_found, "{} holds no tensor {}", file_->file(), tensor);
  return *found;
}

std::vector<std::string> Golden::names(std::string_view prefix) const {
  std::vector<std::string> out;
  for (const WeightData& tensor : file_->tensors()) {
    if (tensor.name.starts_with(prefix)) out.push_back(tensor.name);
  }
  return out;
}

std::vector<float> Golden::values(std::string_view tensor) const { return Parameter(data(tensor)).values(); }

Tensor Golden::operator[](std::string_view tensor) const {
  return Tensor::from(device_, shape(tensor), std::span<const float>(values(tensor)));
}

Tensor Golden::nhwc(std::string_view tensor) const {
  const Shape nchw = shape(tensor);
  if (nchw.rank() != 4) throw Error(ErrorCode::not_found, "{} is {}, expected [n, c, h, w]", tensor, nchw);
  return from_nchw(device_, nchw[0], nchw[1], nchw[2], nchw[3], values(tensor));
}

std::vector<int32_t> Golden::integers(std::string_view tensor) const {
  const WeightData& found = data(tensor);
  if (found.dtype == DType::i32) return copy_elements<int32_t>(found);
  if (found.dtype != DType::i64) throw Error(ErrorCode::not_found, "{} holds no integers", tensor);
  const auto wide = copy_elements<int64_t>(found);
  return {wide.begin(), wide.end()};
}

std::vector<uint8_t> Golden::image_bytes(std::string_view tensor) const {
  const WeightData& found = data(tensor);
  if (found.dtype != DType::u8) throw Error(ErrorCode::not_found, "{} holds no bytes", tensor);
  return copy_elements<uint8_t>(found);
}

}  // namespace easel::testing
