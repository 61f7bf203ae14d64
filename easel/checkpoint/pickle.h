// Reads a Python pickle as data. Nothing in it is ever executed: a call of a class or function becomes a value that
// says what would have been called with which arguments.
#pragma once

#include <deque>

#include "easel/checkpoint/contents.h"

namespace easel {

inline constexpr uint64_t kMaxPickleBytes = 64 << 20;  // of a full training checkpoint: about 2 MB
inline constexpr size_t kMaxPickleValues = 2'000'000;  // each takes about 80 bytes
inline constexpr size_t kMaxPickleStack = 4'000'000;

using PickleId = uint32_t;  // of a value in its Pickle

struct PickleValue {
  enum class Kind : uint8_t {
    none,
    boolean,     // integer
    integer,     // integer
    real,        // real
    text,        // text
    bytes,       // text; also integers of more than 64 bits, little-endian
    tuple,       // items
    list,        // items; also sets
    dict,        // items: key, value, key, value; the last of equal keys counts
    global,      // a class or function: text is its module, name its name
    persistent,  // a storage: items[0] describes it
    object,      // the result of a call: items[0] is the callee, items[1] a tuple of arguments, items[2] its state if
                 // it was given one
  };
  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0.0;
  std::string_view text = {};  // in the file
  std::string_view name = {};
  std::vector<PickleId> items = {};
};

class Pickle {
 public:
  // Reads one pickle from `begin` on. Throws Error bad_checkpoint: damaged, beyond the limits, using an opcode that
  // PyTorch does not write, or naming a function that only an attack would.
  // The texts of the result lie in `source.bytes`.
  static Pickle read(const Source& source, uint64_t begin, uint64_t end);

  uint64_t end() const { return end_; }  // of the pickle in the source
  const PickleValue& root() const { return values_[root_]; }
  const PickleValue& operator[](PickleId id) const { return values_[id]; }
  const std::deque<PickleValue>& values() const { return values_; }

  // The value of a dict's text key; nullptr if there is none or `dict` is no dict.
  const PickleValue* find(const PickleValue& dict, std::string_view key) const;
  // The parameters of a torch.nn.ParameterDict, a dict; nullptr if `value` is none.
  const PickleValue* parameters(const PickleValue& value) const;
  // The class or function that made an object, "torch._utils._rebuild_tensor_v2"; empty if `value` is no object.
  std::string callee(const PickleValue& value) const;
  // What `value` is, for messages: "a dict", "an object of class x.y".
  std::string describe(const PickleValue& value) const;

 private:
  friend class PickleReader;
  std::deque<PickleValue> values_;
  PickleId root_ = 0;
  uint64_t end_ = 0;
};

}  // namespace easel
