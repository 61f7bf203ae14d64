#include "easel/checkpoint/pickle.h"

#include <algorithm>
#include <array>
#include <bit>

#include "easel/base/error.h"
#include "easel/checkpoint/byte_cursor.h"

// The opcodes are those of Python's pickletools.py, protocols 2 to 5; names in comments are its.
namespace easel {
namespace {

using Kind = PickleValue::Kind;

constexpr uint64_t kMaxLineBytes = 1024;
constexpr PickleId kUnset = 0xFFFFFFFF;

struct Callee {
  std::string_view module;
  std::string_view name;  // empty: everything in the module
};
// No checkpoint needs these; a file that names one attacks whoever opens it with Python.
constexpr std::array kAttacks{
    Callee{"os", ""},
    Callee{"posix", ""},
    Callee{"nt", ""},
    Callee{"subprocess", ""},
    Callee{"pty", ""},
    Callee{"socket", ""},
    Callee{"shutil", ""},
    Callee{"runpy", ""},
    Callee{"webbrowser", ""},
    Callee{"commands", ""},
    Callee{"ctypes", ""},
    Callee{"importlib", ""},
    Callee{"builtins", "eval"},
    Callee{"builtins", "exec"},
    Callee{"builtins", "compile"},
    Callee{"builtins", "open"},
    Callee{"builtins", "__import__"},
    Callee{"__builtin__", "eval"},
    Callee{"__builtin__", "exec"},
    Callee{"__builtin__", "execfile"},
    Callee{"__builtin__", "compile"},
    Callee{"__builtin__", "open"},
    Callee{"__builtin__", "file"},
    Callee{"__builtin__", "__import__"},
};

bool is_attack(std::string_view module, std::string_view name) {
  return std::any_of(kAttacks.begin(), kAttacks.end(), [&](const Callee& attack) {
    const bool same =
        module == attack.module || (module.starts_with(attack.module) && module[attack.module.size()] == '.');
    return same && (attack.name.empty() || attack.name == name);
  });
}

bool makes_dict(const PickleValue& callee) {
  return callee.kind == Kind::global && callee.text == "collections" &&
         (callee.name == "OrderedDict" || callee.name == "defaultdict");
}

}  // namespace

// The stack machine. Values live in one arena and refer to each other by number, so that neither cycles nor depth in
// the file can exhaust the program's own stack.
class PickleReader {
 public:
  PickleReader(const Source& source, uint64_t begin, uint64_t end)
      : source_(source), cursor_(source, "the pickle", begin, end) {}

  Pickle read() {
    while (true) {
      opcode_at_ = cursor_.position();
      const auto opcode = static_cast<char>(cursor_.take<uint8_t>());
      if (opcode == '.') break;  // STOP
      if (!take_scalar(opcode) && !take_text(opcode) && !take_container(opcode) && !take_stack(opcode) &&
          !take_call(opcode)) {
        refuse("has the opcode {:#04x}, which PyTorch does not write", static_cast<uint8_t>(opcode));
      }
    }
    out_.root_ = pop();
    out_.end_ = cursor_.position();
    return std::move(out_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> message, Args&&... args) const {
    throw Error(ErrorCode::bad_checkpoint, "{}: the pickle at byte {} {}; the file is damaged or no PyTorch checkpoint",
                source_.name, opcode_at_, fmt::format(message, std::forward<Args>(args)...));
  }

  void push(PickleId id) {
    if (stack_.size() >= kMaxPickleStack) refuse("piles up more than {} values", kMaxPickleStack);
    stack_.push_back(id);
  }
  PickleValue& push_new(PickleValue value) {
    if (out_.values_.size() >= kMaxPickleValues) refuse("has more than {} values", kMaxPickleValues);
    push(static_cast<PickleId>(out_.values_.size()));
    return out_.values_.emplace_back(std::move(value));
  }
  PickleId top() const {
    if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size())) refuse("takes from an empty stack");
    return stack_.back();
  }
  PickleId pop() {
    const PickleId id = top();
    stack_.pop_back();
    return id;
  }
  std::vector<PickleId> pop_to_mark() {
    if (marks_.empty()) refuse("has no mark");
    const auto begin = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
    std::vector<PickleId> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }
  PickleValue& value(PickleId id) { return out_.values_[id]; }

  void put_memo(uint64_t index) {
    if (index >= kMaxPickleValues) refuse("remembers more than {} values", kMaxPickleValues);
    if (index >= memo_.size()) memo_.resize(std::max<size_t>(index + 1, memo_.size() * 2), kUnset);
    memo_[index] = top();
    memo_count_ = std::max(memo_count_, index + 1);
  }
  void get_memo(uint64_t index) {
    if (index >= memo_.size() || memo_[index] == kUnset) refuse("recalls value {}, which it did not store", index);
    push(memo_[index]);
  }

  bool take_scalar(char opcode) {
    switch (opcode) {
      case 'N': push_new({}); return true;                                                            // NONE
      case '\x88': push_new({.kind = Kind::boolean, .integer = 1}); return true;                      // NEWTRUE
      case '\x89': push_new({.kind = Kind::boolean}); return true;                                    // NEWFALSE
      case 'K': push_new({.kind = Kind::integer, .integer = cursor_.take<uint8_t>()}); return true;   // BININT1
      case 'M': push_new({.kind = Kind::integer, .integer = cursor_.take<uint16_t>()}); return true;  // BININT2
      case 'J': push_new({.kind = Kind::integer, .integer = cursor_.take<int32_t>()}); return true;   // BININT
      case '\x8a': push_long(cursor_.take<uint8_t>()); return true;                                   // LONG1
      case '\x8b': push_long(cursor_.take<uint32_t>()); return true;                                  // LONG4
      case 'G': push_new({.kind = Kind::real, .real = take_big_endian_real()}); return true;          // BINFLOAT
      default: return false;
    }
  }

  double take_big_endian_real() { return std::bit_cast<double>(__builtin_bswap64(cursor_.take<uint64_t>())); }

  // Two's complement of any length, little-endian.
  void push_long(uint64_t length) {
    const std::string_view digits = cursor_.take_text(length);
    if (length > sizeof(int64_t)) {
      push_new({.kind = Kind::bytes, .text = digits});
      return;
    }
    uint64_t bits = length > 0 && (digits.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
    std::memcpy(&bits, digits.data(), length);
    push_new({.kind = Kind::integer, .integer = static_cast<int64_t>(bits)});
  }

  void push_text(Kind kind, uint64_t length) { push_new({.kind = kind, .text = cursor_.take_text(length)}); }

  bool take_text(char opcode) {
    switch (opcode) {
      case 'X': push_text(Kind::text, cursor_.take<uint32_t>()); return true;      // BINUNICODE
      case '\x8c': push_text(Kind::text, cursor_.take<uint8_t>()); return true;    // SHORT_BINUNICODE
      case '\x8d': push_text(Kind::text, cursor_.take<uint64_t>()); return true;   // BINUNICODE8
      case 'U': push_text(Kind::text, cursor_.take<uint8_t>()); return true;       // SHORT_BINSTRING, Python 2
      case 'T': push_text(Kind::text, cursor_.take<uint32_t>()); return true;      // BINSTRING, Python 2
      case 'C': push_text(Kind::bytes, cursor_.take<uint8_t>()); return true;      // SHORT_BINBYTES
      case 'B': push_text(Kind::bytes, cursor_.take<uint32_t>()); return true;     // BINBYTES
      case '\x8e': push_text(Kind::bytes, cursor_.take<uint64_t>()); return true;  // BINBYTES8
      case '\x96': push_text(Kind::bytes, cursor_.take<uint64_t>()); return true;  // BYTEARRAY8
      default: return false;
    }
  }

  void push_tuple_of(size_t count) {
    std::vector<PickleId> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    push_new({.kind = Kind::tuple, .items = std::move(items)});
  }

  void push_dict(std::vector<PickleId> items) {
    if (items.size() % 2 != 0) refuse("has a key without a value");
    push_new({.kind = Kind::dict, .items = std::move(items)});
  }

  bool take_container(char opcode) {
    switch (opcode) {
      case ')': push_new({.kind = Kind::tuple}); return true;                            // EMPTY_TUPLE
      case '\x85': push_tuple_of(1); return true;                                        // TUPLE1
      case '\x86': push_tuple_of(2); return true;                                        // TUPLE2
      case '\x87': push_tuple_of(3); return true;                                        // TUPLE3
      case 't': push_new({.kind = Kind::tuple, .items = pop_to_mark()}); return true;    // TUPLE
      case ']':                                                                          // EMPTY_LIST
      case '\x8f': push_new({.kind = Kind::list}); return true;                          // EMPTY_SET
      case 'l':                                                                          // LIST
      case '\x91': push_new({.kind = Kind::list, .items = pop_to_mark()}); return true;  // FROZENSET
      case '}': push_new({.kind = Kind::dict}); return true;                             // EMPTY_DICT
      case 'd': push_dict(pop_to_mark()); return true;                                   // DICT
      case 'a': append({pop()}, Kind::list); return true;                                // APPEND
      case 'e':                                                                          // APPENDS
      case '\x90': append(pop_to_mark(), Kind::list); return true;                       // ADDITEMS
      case 'u': append(pop_to_mark(), Kind::dict); return true;                          // SETITEMS
      case 's': {                                                                        // SETITEM
        const PickleId item = pop();
        const PickleId key = pop();
        append({key, item}, Kind::dict);
        return true;
      }
      default: return false;
    }
  }

  // To the container on top of the stack. What an object of an unknown class would do with it is not known: dropped.
  void append(std::vector<PickleId> items, Kind kind) {
    PickleValue& container = value(top());
    if (container.kind == Kind::object) return;
    if (container.kind != kind) refuse("adds items to {}", out_.describe(container));
    if (kind == Kind::dict && items.size() % 2 != 0) refuse("has a key without a value");
    container.items.insert(container.items.end(), items.begin(), items.end());
  }

  bool take_stack(char opcode) {
    switch (opcode) {
      case '\x80': require_protocol(cursor_.take<uint8_t>()); return true;  // PROTO
      case '\x95': cursor_.take<uint64_t>(); return true;                   // FRAME
      case '(':                                                             // MARK
        if (marks_.size() >= kMaxPickleStack) refuse("piles up more than {} marks", kMaxPickleStack);
        marks_.push_back(stack_.size());
        return true;
      case '0': pop(); return true;                               // POP
      case '1': pop_to_mark(); return true;                       // POP_MARK
      case '2': push(top()); return true;                         // DUP
      case 'q': put_memo(cursor_.take<uint8_t>()); return true;   // BINPUT
      case 'r': put_memo(cursor_.take<uint32_t>()); return true;  // LONG_BINPUT
      case '\x94': put_memo(memo_count_); return true;            // MEMOIZE
      case 'h': get_memo(cursor_.take<uint8_t>()); return true;   // BINGET
      case 'j': get_memo(cursor_.take<uint32_t>()); return true;  // LONG_BINGET
      default: return false;
    }
  }

  void require_protocol(uint8_t protocol) const {
    if (protocol > 5) refuse("has protocol {}, expected at most 5", protocol);
  }

  bool take_call(char opcode) {
    switch (opcode) {
      case 'c': push_global_lines(); return true;  // GLOBAL
      case '\x93': {                               // STACK_GLOBAL
        const PickleId name = pop();
        const PickleId module = pop();
        if (value(name).kind != Kind::text || value(module).kind != Kind::text) refuse("names a class by no text");
        push_global(value(module).text, value(name).text);
        return true;
      }
      case 'R':                          // REDUCE
      case '\x81': call(); return true;  // NEWOBJ
      case '\x92':
        pop();
        call();
        return true;                             // NEWOBJ_EX
      case 'b': build(); return true;            // BUILD
      case 'Q': push_persistent(); return true;  // BINPERSID
      case 'i': {                                // INST
        push_global_lines();
        const PickleId callee = pop();
        push_new({.kind = Kind::tuple, .items = pop_to_mark()});
        push_object(callee, pop());
        return true;
      }
      default: return false;
    }
  }

  void push_global_lines() {
    const auto module = cursor_.take_line(kMaxLineBytes);
    const auto name = module ? cursor_.take_line(kMaxLineBytes) : std::nullopt;
    if (!name) refuse("names a class without an end");
    push_global(*module, *name);
  }

  void push_global(std::string_view module, std::string_view name) {
    if (is_attack(module, name)) {
      throw Error(ErrorCode::bad_checkpoint,
                  "{}: its pickle calls {}.{}: the file attacks programs that run what they load. easel ran nothing; "
                  "delete the file and do not open it with another program",
                  source_.name, printable(module, 60), printable(name, 60));
    }
    push_new({.kind = Kind::global, .text = module, .name = name});
  }

  void push_persistent() {
    const PickleId description = pop();
    push_new({.kind = Kind::persistent, .items = {description}});
  }

  void push_object(PickleId callee, PickleId arguments) {
    if (makes_dict(value(callee))) {
      push_dict(pairs(value(arguments)));
    } else {
      push_new({.kind = Kind::object, .items = {callee, arguments}});
    }
  }

  void call() {
    const PickleId arguments = pop();
    const PickleId callee = pop();
    if (value(arguments).kind != Kind::tuple) refuse("calls with arguments that are no tuple");
    push_object(callee, arguments);
  }

  // What an object would do with its state is not known: it is kept beside it.
  void build() {
    const PickleId state = pop();
    PickleValue& object = value(top());
    if (object.kind != Kind::object) return;
    object.items.resize(2);
    object.items.push_back(state);
  }

  // OrderedDict([[key, value], ...]), as Python 2 wrote it.
  std::vector<PickleId> pairs(const PickleValue& arguments) {
    std::vector<PickleId> items;
    if (arguments.items.empty() || value(arguments.items[0]).kind != Kind::list) return items;
    for (const PickleId id : value(arguments.items[0]).items) {
      const PickleValue& pair = value(id);
      if (pair.items.size() != 2) refuse("makes a dict of items that are no pairs");
      items.insert(items.end(), pair.items.begin(), pair.items.end());
    }
    return items;
  }

  const Source& source_;
  ByteCursor cursor_;
  uint64_t opcode_at_ = 0;
  Pickle out_;
  std::vector<PickleId> stack_;
  std::vector<size_t> marks_;
  std::vector<PickleId> memo_;
  uint64_t memo_count_ = 0;
};

Pickle Pickle::read(const Source& source, uint64_t begin, uint64_t end) {
  return PickleReader(source, begin, std::min(end, begin + kMaxPickleBytes)).read();
}

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const {
  if (dict.kind != Kind::dict) return nullptr;
  for (size_t i = dict.items.size(); i >= 2; i -= 2) {
    const PickleValue& candidate = values_[dict.items[i - 2]];
    if (candidate.kind == Kind::text && candidate.text == key) return &values_[dict.items[i - 1]];
  }
  return nullptr;
}

const PickleValue* Pickle::parameters(const PickleValue& value) const {
  if (callee(value) != "torch.nn.modules.container.ParameterDict" || value.items.size() < 3) return nullptr;
  const PickleValue* parameters = find(values_[value.items[2]], "_parameters");
  return parameters != nullptr && parameters->kind == Kind::dict ? parameters : nullptr;
}

std::string Pickle::callee(const PickleValue& value) const {
  if (value.kind != Kind::object) return {};
  const PickleValue* callee = &values_[value.items[0]];
  if (callee->kind == Kind::persistent) {  // ("module", class, file, source text): a layer in the old stream
    const PickleValue& description = values_[callee->items[0]];
    if (description.kind != Kind::tuple || description.items.size() < 2) return "unknown";
    callee = &values_[description.items[1]];
  }
  if (callee->kind != Kind::global) return "unknown";
  return fmt::format("{}.{}", printable(callee->text, 100), printable(callee->name, 100));
}

std::string Pickle::describe(const PickleValue& value) const {
  switch (value.kind) {
    case Kind::none: return "None";
    case Kind::boolean: return "a boolean";
    case Kind::integer: return "an integer";
    case Kind::real: return "a number";
    case Kind::text: return "a text";
    case Kind::bytes: return "bytes";
    case Kind::tuple: return "a tuple";
    case Kind::list: return "a list";
    case Kind::dict: return "a dict";
    case Kind::global: return fmt::format("the class {}.{}", printable(value.text, 100), printable(value.name, 100));
    case Kind::persistent: return "a storage";
    case Kind::object: break;
  }
  return fmt::format("an object of {}", callee(value));
}

}  // namespace easel
