#include "easel/checkpoint/state_dict.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {
namespace {

using Kind = PickleValue::Kind;

constexpr uint64_t kMaxTextBytes = 4096;  // of a metadata entry
constexpr uint64_t kMaxExtent = uint64_t{1} << 56;
constexpr uint64_t kCopyAllowance = 64 << 20;

struct StorageType {
  std::string_view name;   // class of the storage
  std::string_view dtype;  // of the tensor, where the storage is untyped
  DType type;
};
constexpr std::array kStorageTypes{
    StorageType{"HalfStorage", "float16", DType::f16},  StorageType{"BFloat16Storage", "bfloat16", DType::bf16},
    StorageType{"FloatStorage", "float32", DType::f32}, StorageType{"DoubleStorage", "float64", DType::f64},
    StorageType{"LongStorage", "int64", DType::i64},    StorageType{"IntStorage", "int32", DType::i32},
    StorageType{"ShortStorage", "int16", DType::i16},   StorageType{"CharStorage", "int8", DType::i8},
    StorageType{"ByteStorage", "uint8", DType::u8},     StorageType{"BoolStorage", "bool", DType::boolean},
};

const StorageType* find_type(std::string_view storage_name) {
  const auto at = std::find_if(kStorageTypes.begin(), kStorageTypes.end(),
                               [&](const StorageType& type) { return type.name == storage_name; });
  return at == kStorageTypes.end() ? nullptr : &*at;
}

// A tensor as the pickle describes it.
struct View {
  DType dtype;
  StorageRef storage;
  uint64_t offset;  // elements
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
};

class StateDictReader {
 public:
  StateDictReader(const Source& source, const Pickle& pickle, const FindStorage& find_storage)
      : source_(source), pickle_(pickle), find_storage_(find_storage), copy_budget_(kCopyAllowance) {
    copy_budget_ += 2 * source.bytes.size();
  }

  Contents read() {
    const PickleValue& root = pickle_.root();
    if (root.kind != Kind::dict) {
      throw Error(ErrorCode::bad_checkpoint, "{}: holds {}, expected a dict of tensors (a state dict)", source_.name,
                  pickle_.describe(root));
    }
    const PickleValue* nested = pickle_.find(root, "state_dict");
    if (nested != nullptr && nested->kind == Kind::dict) {
      add_tensors(*nested, "");
      add_metadata(root);
    } else {
      add_tensors(root, "");
      if (found_.empty()) {
        add_nested_tensors(root);
        add_metadata(root);  // an embedding's "step", say
      }
    }
    Contents contents{.tensors = {}, .metadata = std::move(metadata_), .ema_tensor_count = ema_tensor_count_};
    contents.tensors.reserve(found_.size());
    for (auto& [name, tensor] : found_) contents.tensors.push_back(std::move(tensor));
    return contents;
  }

 private:
  void add_tensors(const PickleValue& dict, const std::string& prefix) {
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleValue& key = pickle_[dict.items[i]];
      if (key.kind != Kind::text) continue;
      const std::string name = fmt::format("{}{}", prefix, key.text);
      if (name.starts_with(kEmaPrefix)) {
        ++ema_tensor_count_;
        continue;
      }
      const auto view = view_of(name, pickle_[dict.items[i + 1]]);
      if (!view) continue;
      if (!is_utf8(name)) {
        throw Error(ErrorCode::bad_checkpoint, "{}: the tensor name {} is not UTF-8", source_.name, in_quotes(name));
      }
      found_.insert_or_assign(name, tensor_of(name, *view));
      if (found_.size() > kMaxTensors) {
        throw Error(ErrorCode::bad_checkpoint, "{}: more than {} tensors", source_.name, kMaxTensors);
      }
    }
  }

  // Embeddings and upscalers keep their tensors one level down: "string_to_param", "params_ema". That of CompVis'
  // textual inversion is a ParameterDict.
  void add_nested_tensors(const PickleValue& root) {
    for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const PickleValue& key = pickle_[root.items[i]];
      const PickleValue& value = pickle_[root.items[i + 1]];
      if (key.kind != Kind::text) continue;
      const PickleValue* parameters = pickle_.parameters(value);
      if (parameters != nullptr || value.kind == Kind::dict) {
        add_tensors(parameters != nullptr ? *parameters : value, fmt::format("{}.", key.text));
      }
    }
  }

  void add_metadata(const PickleValue& root) {
    for (size_t i = 0; i + 1 < root.items.size() && metadata_.size() < 64; i += 2) {
      const PickleValue& key = pickle_[root.items[i]];
      const PickleValue& value = pickle_[root.items[i + 1]];
      if (key.kind != Kind::text || key.text.size() > kMaxTextBytes || !is_utf8(key.text)) continue;
      const std::string name(key.text);
      if (value.kind == Kind::integer) metadata_[name] = fmt::format("{}", value.integer);
      if (value.kind == Kind::real) metadata_[name] = fmt::format("{}", value.real);
      if (value.kind == Kind::text && value.text.size() <= kMaxTextBytes && is_utf8(value.text)) {
        metadata_[name] = std::string(value.text);
      }
    }
  }

  // Nothing if `value` is no tensor, or one that networks do not use.
  std::optional<View> view_of(const std::string& name, const PickleValue& value) {
    const PickleValue* call = &value;
    std::string callee = pickle_.callee(*call);
    for (int depth = 0; callee.starts_with("torch._utils._rebuild_parameter") && depth < 4; ++depth) {
      const PickleValue& arguments = pickle_[call->items[1]];
      if (arguments.items.empty()) return std::nullopt;
      call = &pickle_[arguments.items[0]];
      callee = pickle_.callee(*call);
    }
    const bool untyped = callee == "torch._utils._rebuild_tensor_v3";
    if (!untyped && callee != "torch._utils._rebuild_tensor_v2" && callee != "torch._utils._rebuild_tensor") {
      return std::nullopt;
    }
    const PickleValue& arguments = pickle_[call->items[1]];
    if (arguments.items.size() < (untyped ? 7u : 4u)) refuse(name, "has too few arguments");
    const auto storage = storage_ref(pickle_, pickle_[arguments.items[0]]);
    if (!storage) refuse(name, "has no storage");
    const auto dtype = dtype_of(*storage, untyped ? &pickle_[arguments.items[6]] : nullptr);
    if (!dtype) return std::nullopt;
    View view{.dtype = *dtype,
              .storage = *storage,
              .offset = take_count(name, pickle_[arguments.items[1]]),
              .sizes = take_counts(name, pickle_[arguments.items[2]]),
              .strides = take_counts(name, pickle_[arguments.items[3]])};
    if (view.sizes.size() != view.strides.size()) refuse(name, "has another number of strides than of sizes");
    return view;
  }

  static std::optional<DType> dtype_of(const StorageRef& storage, const PickleValue* dtype) {
    if (dtype == nullptr) {
      const StorageType* type = find_type(storage.type);
      return type == nullptr ? std::nullopt : std::optional(type->type);
    }
    for (const StorageType& type : kStorageTypes) {
      if (dtype->kind == Kind::global && dtype->text == "torch" && dtype->name == type.dtype) return type.type;
    }
    return std::nullopt;
  }

  uint64_t take_count(const std::string& name, const PickleValue& value) const {
    if (value.kind != Kind::integer || value.integer < 0 || static_cast<uint64_t>(value.integer) > kMaxExtent) {
      refuse(name, "has an impossible size, stride or offset");
    }
    return static_cast<uint64_t>(value.integer);
  }
  std::vector<int64_t> take_counts(const std::string& name, const PickleValue& value) const {
    if ((value.kind != Kind::tuple && value.kind != Kind::list) || value.items.size() > Shape::kMaxRank) {
      refuse(name, "has no list of at most 6 sizes and strides");
    }
    std::vector<int64_t> counts;
    for (const PickleId id : value.items) counts.push_back(static_cast<int64_t>(take_count(name, pickle_[id])));
    return counts;
  }

  [[noreturn]] void refuse(const std::string& name, std::string_view fault) const {
    throw Error(ErrorCode::bad_checkpoint, "{}: the tensor {} {}; the file is damaged", source_.name, in_quotes(name),
                fault);
  }

  // Elements from the first to the last of the view, both included; 0 for an empty one.
  uint64_t extent_of(const std::string& name, const View& view) const {
    uint64_t count = 1;  // with 1 for sizes of 0, so that Shape::count() cannot overflow either
    uint64_t last = 0;
    bool empty = false;
    for (size_t i = 0; i < view.sizes.size(); ++i) {
      const uint64_t size = std::max<uint64_t>(static_cast<uint64_t>(view.sizes[i]), 1);
      uint64_t reach = 0;
      if (__builtin_mul_overflow(count, size, &count) || count > kMaxExtent ||
          __builtin_mul_overflow(size - 1, static_cast<uint64_t>(view.strides[i]), &reach) ||
          __builtin_add_overflow(last, reach, &last) || last >= kMaxExtent) {
        refuse(name, "is impossibly large");
      }
      empty = empty || view.sizes[i] == 0;
    }
    return empty ? 0 : last + 1;
  }

  static bool is_contiguous(const View& view) {
    int64_t expected = 1;
    for (size_t i = view.sizes.size(); i-- > 0;) {
      if (view.sizes[i] != 1 && view.strides[i] != expected) return false;
      expected *= view.sizes[i];
    }
    return true;
  }

  WeightData tensor_of(const std::string& name, const View& view) {
    const auto element = static_cast<uint64_t>(size_of(view.dtype));
    WeightData tensor{.name = name, .shape = Shape(view.sizes), .dtype = view.dtype, .bytes = {}, .owner = nullptr};
    const uint64_t extent = extent_of(name, view);
    if (extent == 0) return tensor;
    const StorageBytes storage = find_storage_(view.storage);
    uint64_t first = 0;
    uint64_t end = 0;
    if (__builtin_add_overflow(view.offset, view.storage.view_offset, &first) ||
        __builtin_add_overflow(first, extent, &end) || end > storage.bytes.size() / element) {
      refuse(name, "reaches beyond its storage");
    }
    const auto bytes = storage.bytes.subspan(first * element, extent * element);
    if (is_contiguous(view)) {
      tensor.bytes = bytes;
      tensor.owner = storage.owner;
    } else {
      copy_rows(name, view, bytes, tensor);
    }
    return tensor;
  }

  // Puts a transposed or otherwise strided view into row-major order.
  void copy_rows(const std::string& name, const View& view, std::span<const std::byte> bytes, WeightData& tensor) {
    const auto element = static_cast<size_t>(size_of(view.dtype));
    const auto count = static_cast<uint64_t>(tensor.shape.count());
    if (count > copy_budget_ / element) refuse(name, "repeats its storage beyond all measure");
    copy_budget_ -= count * element;
    auto copy = std::make_shared<std::vector<std::byte>>(count * element);
    std::vector<int64_t> index(view.sizes.size(), 0);
    uint64_t from = 0;
    for (uint64_t i = 0; i < count; ++i) {
      std::memcpy(copy->data() + i * element, bytes.data() + from * element, element);
      for (size_t d = index.size(); d-- > 0;) {
        from += static_cast<uint64_t>(view.strides[d]);
        if (++index[d] < view.sizes[d]) break;
        from -= static_cast<uint64_t>(view.strides[d]) * static_cast<uint64_t>(view.sizes[d]);
        index[d] = 0;
      }
    }
    tensor.bytes = *copy;
    tensor.owner = std::move(copy);
  }

  const Source& source_;
  const Pickle& pickle_;
  const FindStorage& find_storage_;
  uint64_t copy_budget_;  // bytes that may still be copied
  int64_t ema_tensor_count_ = 0;
  std::map<std::string, WeightData> found_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace

// ("storage", torch.HalfStorage, key, device, element count[, (view key, offset, element count)])
std::optional<StorageRef> storage_ref(const Pickle& pickle, const PickleValue& value) {
  if (value.kind != Kind::persistent) return std::nullopt;
  const PickleValue& tuple = pickle[value.items[0]];
  if (tuple.kind != Kind::tuple || tuple.items.size() < 5) return std::nullopt;
  const PickleValue& tag = pickle[tuple.items[0]];
  const PickleValue& type = pickle[tuple.items[1]];
  const PickleValue& key = pickle[tuple.items[2]];
  const PickleValue& count = pickle[tuple.items[4]];
  const bool torch = type.kind == Kind::global && (type.text == "torch" || type.text == "torch.storage");
  if (tag.kind != Kind::text || tag.text != "storage" || !torch || key.kind != Kind::text ||
      count.kind != Kind::integer || count.integer < 0 || static_cast<uint64_t>(count.integer) > kMaxExtent) {
    return std::nullopt;
  }
  StorageRef storage{
      .key = key.text, .type = type.name, .element_count = static_cast<uint64_t>(count.integer), .view_offset = 0};
  if (tuple.items.size() > 5 && pickle[tuple.items[5]].kind == Kind::tuple) {
    const PickleValue& view = pickle[tuple.items[5]];
    if (view.items.size() != 3) return std::nullopt;
    const PickleValue& offset = pickle[view.items[1]];
    if (offset.kind != Kind::integer || offset.integer < 0 || static_cast<uint64_t>(offset.integer) > kMaxExtent) {
      return std::nullopt;
    }
    storage.view_offset = static_cast<uint64_t>(offset.integer);
  }
  return storage;
}

std::optional<uint64_t> element_bytes(std::string_view storage_type) {
  if (storage_type == "UntypedStorage") return 1;
  if (storage_type == "ComplexFloatStorage") return 8;
  if (storage_type == "ComplexDoubleStorage") return 16;
  const StorageType* type = find_type(storage_type);
  return type == nullptr ? std::nullopt : std::optional(static_cast<uint64_t>(size_of(type->type)));
}

Contents read_state_dict(const Source& source, const Pickle& pickle, const FindStorage& find_storage) {
  return StateDictReader(source, pickle, find_storage).read();
}

}  // namespace easel
