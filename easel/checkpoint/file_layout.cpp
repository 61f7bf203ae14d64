#include "easel/checkpoint/file_layout.h"

#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/checkpoint/gguf.h"

namespace easel {
namespace {

constexpr uint32_t kQuantizationVersion = 2;  // of the blocks' layouts, since 2023

std::span<const std::byte> bytes_of_text(std::string_view text) { return std::as_bytes(std::span(text)); }

void append(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <typename T>
void append_number(std::vector<std::byte>& out, T value) {
  append(out, std::as_bytes(std::span(&value, 1)));
}

void append_text(std::vector<std::byte>& out, std::string_view text) {
  append_number(out, static_cast<uint64_t>(text.size()));
  append(out, bytes_of_text(text));
}

uint64_t zeros_to(uint64_t position, uint64_t alignment) { return (alignment - position % alignment) % alignment; }

// What describes the source file's layout, not the model.
bool is_structural(std::string_view key) {
  return key == kGgufAlignmentKey || key == "general.quantization_version" || key == "general.file_type" ||
         key.starts_with(kGgufShapeKey);
}

bool is_flattened(const PlannedTensor& tensor) {
  return is_quantized(tensor.dtype) && tensor.shape[-1] % block_of(tensor.dtype).elements != 0;
}

// Sizes as GGUF has them, innermost first.
std::vector<uint64_t> gguf_sizes(const PlannedTensor& tensor) {
  if (is_flattened(tensor)) {
    const auto rows = static_cast<uint64_t>(tensor.shape[0]);
    return {static_cast<uint64_t>(tensor.shape.count()) / rows, rows};
  }
  if (tensor.shape.rank() == 0) return {1};
  return {tensor.shape.dims().rbegin(), tensor.shape.dims().rend()};
}

void append_key(std::vector<std::byte>& out, std::string_view key, GgufType type) {
  append_text(out, key);
  append_number(out, static_cast<uint32_t>(type));
}

// Returns how many entries there are.
uint64_t append_metadata(std::vector<std::byte>& out, std::span<const PlannedTensor> tensors,
                         const std::map<std::string, std::string>& metadata) {
  uint64_t count = 1;
  append_key(out, "general.quantization_version", GgufType::u32);
  append_number(out, kQuantizationVersion);
  for (const auto& [key, value] : metadata) {
    if (key.empty() || is_structural(key)) continue;
    append_key(out, key, GgufType::string);
    append_text(out, value);
    ++count;
  }
  for (const PlannedTensor& tensor : tensors) {
    if (!is_flattened(tensor)) continue;
    append_key(out, std::string(kGgufShapeKey) + tensor.name, GgufType::array);
    append_number(out, static_cast<uint32_t>(GgufType::i32));
    append_number(out, static_cast<uint64_t>(tensor.shape.rank()));
    for (const int64_t dim : tensor.shape.dims()) append_number(out, static_cast<int32_t>(dim));
    ++count;
  }
  return count;
}

}  // namespace

FileLayout safetensors_layout(std::span<const PlannedTensor> tensors,
                              const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json json;
  nlohmann::ordered_json kept = nlohmann::ordered_json::object();
  for (const auto& [key, value] : metadata) {
    if (!is_structural(key)) kept[key] = value;
  }
  if (!kept.empty()) json["__metadata__"] = std::move(kept);
  FileLayout layout;
  uint64_t offset = 0;
  for (const PlannedTensor& tensor : tensors) {
    EASEL_ASSERT(!is_quantized(tensor.dtype));
    json[tensor.name] = {{"dtype", name_of(tensor.dtype)},
                         {"shape", tensor.shape.dims()},
                         {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
    layout.zeros_after.push_back(0);
  }
  std::string header = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  header.append(zeros_to(header.size(), 8), ' ');  // the data starts aligned
  append_number(layout.header, static_cast<uint64_t>(header.size()));
  append(layout.header, bytes_of_text(header));
  layout.file_bytes = layout.header.size() + offset;
  return layout;
}

FileLayout gguf_layout(std::span<const PlannedTensor> tensors, const std::map<std::string, std::string>& metadata) {
  std::vector<std::byte> values;
  const uint64_t value_count = append_metadata(values, tensors, metadata);
  FileLayout layout;
  std::vector<std::byte>& header = layout.header;
  append(header, bytes_of_text(kGgufMagic));
  append_number(header, kGgufVersion);
  append_number(header, static_cast<uint64_t>(tensors.size()));
  append_number(header, value_count);
  append(header, values);
  uint64_t offset = 0;
  for (const PlannedTensor& tensor : tensors) {
    const auto type = gguf_number(tensor.dtype);
    if (!type) {
      throw Error(ErrorCode::invalid_request, "{} holds {}, which GGUF files cannot; write a .safetensors file instead",
                  tensor.name, name_of(tensor.dtype));
    }
    append_text(header, tensor.name);
    const std::vector<uint64_t> sizes = gguf_sizes(tensor);
    append_number(header, static_cast<uint32_t>(sizes.size()));
    for (const uint64_t size : sizes) append_number(header, size);
    append_number(header, *type);
    append_number(header, offset);
    layout.zeros_after.push_back(zeros_to(tensor.bytes(), kGgufAlignment));
    offset += tensor.bytes() + layout.zeros_after.back();
  }
  header.resize(header.size() + zeros_to(header.size(), kGgufAlignment));
  layout.file_bytes = header.size() + offset;
  return layout;
}

}  // namespace easel
