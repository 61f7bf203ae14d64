#include "easel/checkpoint/gguf.h"

#include <algorithm>
#include <array>
#include <set>

#include "easel/base/error.h"
#include "easel/checkpoint/byte_cursor.h"

namespace easel {
namespace {

constexpr uint64_t kMaxNameBytes = 4096;  // of a key or a tensor's name
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
constexpr uint64_t kMaxElements = uint64_t{1} << 56;  // elements of any type still have a 64-bit size
constexpr size_t kShownElements = 64;                 // of an array in the metadata

struct NumberedType {
  uint32_t number;
  DType dtype;
};
constexpr std::array kTypes{
    NumberedType{0, DType::f32},   NumberedType{1, DType::f16},   NumberedType{2, DType::q4_0},
    NumberedType{3, DType::q4_1},  NumberedType{6, DType::q5_0},  NumberedType{7, DType::q5_1},
    NumberedType{8, DType::q8_0},  NumberedType{10, DType::q2_k}, NumberedType{11, DType::q3_k},
    NumberedType{12, DType::q4_k}, NumberedType{13, DType::q5_k}, NumberedType{14, DType::q6_k},
    NumberedType{24, DType::i8},   NumberedType{25, DType::i16},  NumberedType{26, DType::i32},
    NumberedType{27, DType::i64},  NumberedType{28, DType::f64},  NumberedType{30, DType::bf16},
};

// A value of the metadata as text; whole numbers, alone or in a short array, also as such.
struct Value {
  std::string text;
  std::vector<int64_t> integers = {};
};

// One entry of the list of tensors.
struct Entry {
  std::string name;
  std::vector<uint64_t> sizes;  // innermost first
  uint32_t type;
  uint64_t offset;  // in the data
};

class GgufReader {
 public:
  explicit GgufReader(const Source& source)
      : source_(source), cursor_(source, "the GGUF header", kGgufMagic.size(), source.bytes.size()) {}

  Contents read() {
    require_version();
    const uint64_t tensor_count = take_count("tensors", kMaxTensors);
    const uint64_t value_count = take_count("metadata entries", kMaxMetadataEntries);
    for (uint64_t i = 0; i < value_count; ++i) read_metadata();
    for (uint64_t i = 0; i < tensor_count; ++i) entries_.push_back(take_entry());
    const uint64_t data_begin = (cursor_.position() + alignment_ - 1) / alignment_ * alignment_;
    if (data_begin < source_.bytes.size()) data_ = source_.bytes.subspan(data_begin);
    for (Entry& entry : entries_) contents_.tensors.push_back(tensor_of(entry));
    require_no_overlap();
    return std::move(contents_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error(ErrorCode::bad_checkpoint, "{}: {}", source_.name, fmt::format(format, std::forward<Args>(args)...));
  }

  void require_version() {
    const auto version = cursor_.take<uint32_t>();
    if (version == 2 || version == kGgufVersion) return;
    if (version != 0 && version % 65536 == 0) refuse("is a big-endian GGUF file; expected a little-endian one");
    refuse("is GGUF version {}, expected 2 or 3; make it anew with a current program", version);
  }

  uint64_t take_count(std::string_view what, uint64_t limit) {
    const auto count = cursor_.take<uint64_t>();
    if (count > limit) refuse("the GGUF header claims {} {}, expected at most {}", count, what, limit);
    return count;
  }

  std::string take_name(std::string_view what) {
    const auto size = cursor_.take<uint64_t>();
    if (size == 0 || size > kMaxNameBytes) {
      refuse("the GGUF header has a {} of {} bytes, expected 1 to {}", what, size, kMaxNameBytes);
    }
    return std::string(cursor_.take_text(size));
  }

  template <typename T>
  Value take_integer() {
    const T value = cursor_.take<T>();
    return {.text = fmt::format("{}", value), .integers = {static_cast<int64_t>(value)}};
  }

  Value take_value(GgufType type, const std::string& key) {
    switch (type) {
      case GgufType::u8: return take_integer<uint8_t>();
      case GgufType::i8: return take_integer<int8_t>();
      case GgufType::u16: return take_integer<uint16_t>();
      case GgufType::i16: return take_integer<int16_t>();
      case GgufType::u32: return take_integer<uint32_t>();
      case GgufType::i32: return take_integer<int32_t>();
      case GgufType::u64: return take_integer<uint64_t>();
      case GgufType::i64: return take_integer<int64_t>();
      case GgufType::f32: return {.text = fmt::format("{}", cursor_.take<float>())};
      case GgufType::f64: return {.text = fmt::format("{}", cursor_.take<double>())};
      case GgufType::boolean: return {.text = cursor_.take<uint8_t>() != 0 ? "true" : "false"};
      case GgufType::string: return {.text = std::string(cursor_.take_text(cursor_.take<uint64_t>()))};
      case GgufType::array: return take_array(key);
    }
    refuse("the metadata {} has the unknown type {}", in_quotes(key), static_cast<uint32_t>(type));
  }

  Value take_array(const std::string& key) {
    const auto type = static_cast<GgufType>(cursor_.take<uint32_t>());
    if (type == GgufType::array) refuse("the metadata {} is an array of arrays, which easel refuses", in_quotes(key));
    const auto count = cursor_.take<uint64_t>();
    if (count > cursor_.remaining()) {  // an element takes a byte at least
      refuse("the metadata {} claims {} elements but {} bytes follow; was the download cut short?", in_quotes(key),
             count, cursor_.remaining());
    }
    Value array;
    std::vector<std::string> texts;
    for (uint64_t i = 0; i < count; ++i) {
      Value element = take_value(type, key);
      if (i >= kShownElements) continue;
      texts.push_back(std::move(element.text));
      array.integers.insert(array.integers.end(), element.integers.begin(), element.integers.end());
    }
    array.text = fmt::format("[{}{}]", fmt::join(texts, ", "),
                             count > kShownElements ? fmt::format(", ... {} in all", count) : "");
    return array;
  }

  void read_metadata() {
    std::string key = take_name("key");
    if (!keys_.insert(key).second) refuse("the metadata name {} twice", in_quotes(key));
    const auto type = static_cast<GgufType>(cursor_.take<uint32_t>());
    Value value = take_value(type, key);
    if (key == kGgufAlignmentKey) return set_alignment(value);
    if (key.starts_with(kGgufShapeKey)) {
      shapes_[key.substr(kGgufShapeKey.size())] = std::move(value.integers);
      return;
    }
    contents_.metadata[std::move(key)] = std::move(value.text);
  }

  void set_alignment(const Value& value) {
    const int64_t alignment = value.integers.size() == 1 ? value.integers.front() : 0;
    const bool power_of_two = alignment > 0 && (alignment & (alignment - 1)) == 0;
    if (!power_of_two || alignment < 8 || static_cast<uint64_t>(alignment) > kMaxAlignment) {
      refuse("{} is {}, expected a power of two from 8 to {}", kGgufAlignmentKey, printable(value.text, 40),
             kMaxAlignment);
    }
    alignment_ = static_cast<uint64_t>(alignment);
  }

  Entry take_entry() {
    Entry entry{.name = take_name("tensor name"), .sizes = {}, .type = 0, .offset = 0};
    const auto rank = cursor_.take<uint32_t>();
    if (rank > Shape::kMaxRank) {
      refuse("{} has {} dimensions, expected at most {}", in_quotes(entry.name), rank,
             static_cast<int>(Shape::kMaxRank));
    }
    for (uint32_t i = 0; i < rank; ++i) entry.sizes.push_back(cursor_.take<uint64_t>());
    entry.type = cursor_.take<uint32_t>();
    entry.offset = cursor_.take<uint64_t>();
    return entry;
  }

  DType dtype_of(const Entry& entry) const {
    if (const auto dtype = gguf_dtype(entry.type)) return *dtype;
    refuse(
        "{} has the GGUF element type {}, which easel does not read; expected F32, F16, BF16, Q8_0, Q4_0 to Q5_1 or "
        "Q2_K to Q6_K",
        in_quotes(entry.name), entry.type);
  }

  // As stored, outermost first.
  Shape stored_shape(const Entry& entry) const {
    std::vector<int64_t> dims;
    uint64_t count = 1;
    for (const uint64_t size : entry.sizes) {
      if (size > kMaxElements || __builtin_mul_overflow(count, std::max<uint64_t>(size, 1), &count) ||
          count > kMaxElements) {
        refuse("the shape [{}] of {} is impossibly large", fmt::join(entry.sizes, ", "), in_quotes(entry.name));
      }
      dims.insert(dims.begin(), static_cast<int64_t>(size));
    }
    return Shape(dims);
  }

  Shape true_shape(const Entry& entry, const Shape& stored) const {
    const auto noted = shapes_.find(entry.name);
    if (noted == shapes_.end()) return stored;
    const std::vector<int64_t>& dims = noted->second;
    int64_t count = 1;
    bool fits = !dims.empty() && dims.size() <= Shape::kMaxRank;
    for (size_t i = 0; fits && i < dims.size(); ++i) {
      fits = dims[i] > 0 && !__builtin_mul_overflow(count, dims[i], &count) && count <= stored.count();
    }
    if (!fits || count != stored.count()) {
      refuse("{} is stored as {}, but {}{} says [{}]", in_quotes(entry.name), stored, kGgufShapeKey,
             printable(entry.name, 120), fmt::join(dims, ", "));
    }
    return Shape(dims);
  }

  WeightData tensor_of(Entry& entry) const {
    const DType dtype = dtype_of(entry);
    const Shape stored = stored_shape(entry);
    const int64_t row = stored.rank() == 0 ? 1 : stored[-1];
    if (row % block_of(dtype).elements != 0) {
      refuse("{} has rows of {} elements, expected a multiple of {}, a block of {}", in_quotes(entry.name), row,
             block_of(dtype).elements, name_of(dtype));
    }
    if (entry.offset % alignment_ != 0) {
      refuse("{} begins at byte {} of the data, expected a multiple of {}", in_quotes(entry.name), entry.offset,
             alignment_);
    }
    const auto bytes = static_cast<uint64_t>(bytes_of(dtype, stored.count()));
    if (bytes > data_.size() || entry.offset > data_.size() - bytes) {
      refuse("{} has {} bytes from byte {} of the data on, but the file holds {}; was the download cut short?",
             in_quotes(entry.name), bytes, entry.offset, data_.size());
    }
    return {.name = entry.name,
            .shape = true_shape(entry, stored),
            .dtype = dtype,
            .bytes = data_.subspan(entry.offset, bytes),
            .owner = source_.owner};
  }

  void require_no_overlap() {
    std::vector<WeightData>& tensors = contents_.tensors;
    std::sort(tensors.begin(), tensors.end(), [](const WeightData& a, const WeightData& b) {
      return std::pair(a.bytes.data(), a.bytes.size()) < std::pair(b.bytes.data(), b.bytes.size());
    });
    const WeightData* before = nullptr;
    for (const WeightData& tensor : tensors) {
      if (tensor.bytes.empty()) continue;
      if (before != nullptr && tensor.bytes.data() < before->bytes.data() + before->bytes.size()) {
        refuse("{} and {} overlap", in_quotes(before->name), in_quotes(tensor.name));
      }
      before = &tensor;
    }
  }

  const Source& source_;
  ByteCursor cursor_;
  uint64_t alignment_ = kGgufAlignment;
  std::set<std::string> keys_;
  std::map<std::string, std::vector<int64_t>> shapes_;  // by tensor
  std::vector<Entry> entries_;
  std::span<const std::byte> data_;
  Contents contents_;
};

}  // namespace

std::optional<DType> gguf_dtype(uint32_t number) {
  const auto at = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& type) { return type.number == number; });
  return at == kTypes.end() ? std::nullopt : std::optional(at->dtype);
}

std::optional<uint32_t> gguf_number(DType dtype) {
  const auto at = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& type) { return type.dtype == dtype; });
  return at == kTypes.end() ? std::nullopt : std::optional(at->number);
}

Contents read_gguf(const Source& source) { return GgufReader(source).read(); }

}  // namespace easel
