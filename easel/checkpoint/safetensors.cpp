#include "easel/checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "easel/base/error.h"

namespace easel {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

// One entry of the header as it stands there.
struct Entry {
  std::string name;
  std::optional<std::string> dtype = {};
  std::optional<std::vector<uint64_t>> shape = {};
  std::optional<std::vector<uint64_t>> offsets = {};
};

struct Header {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
};

// Takes the parser's events and lets nothing but the header's exact form pass.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}
  Header take() { return std::move(header_); }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::top;
    } else if (place_ == Place::top) {
      place_ = key_ == kMetadataKey ? Place::metadata : Place::tensor;
      if (place_ == Place::tensor) header_.entries.push_back({.name = key_});
    } else {
      refuse("an object");
    }
    return true;
  }
  bool end_object() override {
    place_ = place_ == Place::top ? Place::outside : Place::top;
    return true;
  }
  bool start_array(std::size_t) override {
    Entry* entry = place_ == Place::tensor ? &header_.entries.back() : nullptr;
    if (entry != nullptr && key_ == "shape") {
      numbers_ = &entry->shape.emplace();
    } else if (entry != nullptr && key_ == "data_offsets") {
      numbers_ = &entry->offsets.emplace();
    } else {
      refuse("an array");
    }
    place_ = Place::numbers;
    return true;
  }
  bool end_array() override {
    place_ = Place::tensor;
    return true;
  }
  bool key(string_t& name) override {
    key_ = std::move(name);
    if (place_ == Place::top) return top_key();
    if (place_ == Place::metadata) return metadata_key();
    const Entry& entry = header_.entries.back();
    const bool known = key_ == "dtype" || key_ == "shape" || key_ == "data_offsets";
    if (!known || (key_ == "dtype" && entry.dtype) || (key_ == "shape" && entry.shape) ||
        (key_ == "data_offsets" && entry.offsets)) {
      throw Error(ErrorCode::bad_checkpoint, "{}: the entry of {} has {} key {}", file_, in_quotes(entry.name),
                  known ? "a second" : "the unknown", in_quotes(key_));
    }
    return true;
  }
  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      header_.metadata[key_] = std::move(value);
    } else if (place_ == Place::tensor && key_ == "dtype") {
      header_.entries.back().dtype = std::move(value);
    } else {
      refuse("a string");
    }
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::numbers) refuse("a number");
    if (numbers_->size() >= 64) refuse("a list of more than 64 numbers");
    numbers_->push_back(value);
    return true;
  }
  bool number_integer(number_integer_t) override { refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { refuse("a number that is not a 64-bit integer"); }
  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool binary(binary_t&) override { refuse("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    throw Error(ErrorCode::bad_checkpoint, "{}: the safetensors header is not valid JSON near byte {}; is it damaged?",
                file_, position + kLengthBytes);
  }

 private:
  enum class Place { outside, top, metadata, tensor, numbers };

  bool top_key() {
    if (!names_.insert(key_).second) {
      throw Error(ErrorCode::bad_checkpoint, "{}: the safetensors header names {} twice", file_, in_quotes(key_));
    }
    if (names_.size() > kMaxTensors) {
      throw Error(ErrorCode::bad_checkpoint, "{}: more than {} tensors", file_, kMaxTensors);
    }
    return true;
  }
  bool metadata_key() {
    if (header_.metadata.contains(key_)) {
      throw Error(ErrorCode::bad_checkpoint, "{}: the metadata name {} twice", file_, in_quotes(key_));
    }
    if (header_.metadata.size() >= kMaxMetadataEntries) {
      throw Error(ErrorCode::bad_checkpoint, "{}: more than {} metadata entries", file_, kMaxMetadataEntries);
    }
    return true;
  }
  [[noreturn]] void refuse(std::string_view found) const {
    throw Error(ErrorCode::bad_checkpoint, "{}: the safetensors header has {} at {}, which the format does not allow",
                file_, found, in_quotes(key_));
  }

  const std::string& file_;
  Header header_;
  std::unordered_set<std::string> names_;
  Place place_ = Place::outside;
  std::string key_;  // the last one read
  std::vector<uint64_t>* numbers_ = nullptr;
};

DType dtype_of(const std::string& file, const Entry& entry) {
  static constexpr std::array kTypes{DType::f16, DType::bf16, DType::f32, DType::f64, DType::i64,
                                     DType::i32, DType::i16,  DType::i8,  DType::u8,  DType::boolean};
  for (const DType dtype : kTypes) {
    if (name_of(dtype) == *entry.dtype) return dtype;
  }
  throw Error(ErrorCode::bad_checkpoint,
              "{}: {} has the element type {}, which easel does not read; expected F16, BF16, F32 or F64", file,
              in_quotes(entry.name), in_quotes(*entry.dtype));
}

Shape shape_of(const std::string& file, const Entry& entry) {
  if (entry.shape->size() > Shape::kMaxRank) {
    throw Error(ErrorCode::bad_checkpoint, "{}: {} has {} dimensions, expected at most {}", file, in_quotes(entry.name),
                entry.shape->size(), static_cast<int>(Shape::kMaxRank));
  }
  std::vector<int64_t> dims;
  uint64_t count = 1;
  for (const uint64_t dim : *entry.shape) {
    // 2^56 elements of any type still have a 64-bit size, and no file has as many
    if (dim > (uint64_t{1} << 56) || __builtin_mul_overflow(count, std::max<uint64_t>(dim, 1), &count) ||
        count > (uint64_t{1} << 56)) {
      throw Error(ErrorCode::bad_checkpoint, "{}: the shape [{}] of {} is impossibly large", file,
                  fmt::join(*entry.shape, ", "), in_quotes(entry.name));
    }
    dims.push_back(static_cast<int64_t>(dim));
  }
  return Shape(dims);
}

// `data` is what follows the header.
WeightData tensor_of(const Source& source, std::span<const std::byte> data, Entry& entry) {
  if (!entry.dtype || !entry.shape || !entry.offsets || entry.offsets->size() != 2) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the entry of {} lacks its dtype, shape or two data_offsets",
                source.name, in_quotes(entry.name));
  }
  const DType dtype = dtype_of(source.name, entry);
  const Shape shape = shape_of(source.name, entry);
  const uint64_t begin = entry.offsets->at(0);
  const uint64_t end = entry.offsets->at(1);
  const auto expected_bytes = static_cast<uint64_t>(shape.count()) * static_cast<uint64_t>(size_of(dtype));
  if (begin > end || end - begin != expected_bytes) {
    throw Error(ErrorCode::bad_checkpoint, "{}: {} lies at bytes {} to {}, but {} {} has {} bytes", source.name,
                in_quotes(entry.name), begin, end, name_of(dtype), shape, expected_bytes);
  }
  if (end > data.size()) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: {} ends at byte {} of the data but only {} follow; was the download cut short?", source.name,
                in_quotes(entry.name), end, data.size());
  }
  return {.name = std::move(entry.name),
          .shape = shape,
          .dtype = dtype,
          .bytes = data.subspan(begin, end - begin),
          .owner = source.owner};
}

// Every byte belongs to exactly one tensor.
void require_coverage(const Source& source, std::span<const std::byte> data, std::vector<WeightData>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const WeightData& a, const WeightData& b) {
    return std::pair(a.bytes.data(), a.bytes.size()) < std::pair(b.bytes.data(), b.bytes.size());
  });
  uint64_t covered = 0;
  for (const WeightData& tensor : tensors) {
    const auto begin = static_cast<uint64_t>(tensor.bytes.data() - data.data());
    if (begin != covered) {
      throw Error(ErrorCode::bad_checkpoint, "{}: {} begins at byte {} of the data, expected {}: there is {}",
                  source.name, in_quotes(tensor.name), begin, covered, begin > covered ? "a hole" : "an overlap");
    }
    covered += tensor.bytes.size();
  }
  if (covered != data.size()) {
    throw Error(ErrorCode::bad_checkpoint, "{}: {} bytes follow the last tensor", source.name, data.size() - covered);
  }
}

Header read_header(const Source& source, std::span<const std::byte> text) {
  HeaderReader reader(source.name);
  const auto* begin = reinterpret_cast<const char*>(text.data());
  nlohmann::json::sax_parse(begin, begin + text.size(), &reader);
  return reader.take();
}

}  // namespace

Contents read_safetensors(const Source& source) {
  EASEL_ASSERT(source.bytes.size() > kLengthBytes);  // told by its first bytes, file_kind.cpp
  uint64_t header_bytes;
  std::memcpy(&header_bytes, source.bytes.data(), sizeof header_bytes);
  const uint64_t available = source.bytes.size() - kLengthBytes;
  if (header_bytes > kMaxHeaderBytes) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the header claims {} bytes, expected at most {}", source.name,
                header_bytes, kMaxHeaderBytes);
  }
  if (header_bytes > available) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the header claims {} bytes but {} follow; was the download cut short?",
                source.name, header_bytes, available);
  }
  Header header = read_header(source, source.bytes.subspan(kLengthBytes, header_bytes));
  const auto data = source.bytes.subspan(kLengthBytes + header_bytes);
  Contents contents;
  contents.metadata = std::move(header.metadata);
  contents.tensors.reserve(header.entries.size());
  for (Entry& entry : header.entries) contents.tensors.push_back(tensor_of(source, data, entry));
  require_coverage(source, data, contents.tensors);
  return contents;
}

}  // namespace easel
