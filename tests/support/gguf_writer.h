// GGUF files put together by hand, right and wrong ones.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/checkpoint_writer.h"

namespace easel::testing {

class GgufWriter {
 public:
  template <typename T>
  GgufWriter& number(T value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    body_.insert(body_.end(), bytes, bytes + sizeof value);
    return *this;
  }
  GgufWriter& text(std::string_view value) {
    number<uint64_t>(value.size());
    const Bytes bytes = to_bytes(value);
    body_.insert(body_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  // A metadata entry; its value follows.
  GgufWriter& key(std::string_view name, uint32_t type) {
    ++values_;
    return text(name).number(type);
  }
  GgufWriter& tensor(std::string_view name, const std::vector<uint64_t>& sizes, uint32_t type, uint64_t offset) {
    ++tensors_;
    text(name).number(static_cast<uint32_t>(sizes.size()));
    for (const uint64_t size : sizes) number(size);
    return number(type).number(offset);
  }

  uint32_t version = 3;
  size_t alignment = 32;

  // All that was given, and the tensors' data.
  Bytes finish(const Bytes& data) const {
    GgufWriter whole;
    whole.body_ = to_bytes("GGUF");
    whole.number(version).number(tensors_).number(values_);
    whole.body_.insert(whole.body_.end(), body_.begin(), body_.end());
    whole.body_.resize((whole.body_.size() + alignment - 1) / alignment * alignment);
    whole.body_.insert(whole.body_.end(), data.begin(), data.end());
    return whole.body_;
  }
  Bytes finish(size_t data_bytes) const { return finish(Bytes(data_bytes)); }

 private:
  Bytes body_;
  uint64_t tensors_ = 0;
  uint64_t values_ = 0;
};

}  // namespace easel::testing
