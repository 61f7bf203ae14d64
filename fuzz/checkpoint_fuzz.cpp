// Any bytes as a checkpoint of any format: an Error or a Checkpoint whose every byte can be read.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "easel/base/error.h"
#include "easel/checkpoint/inspect.h"

namespace {

// Without a length that fits, libFuzzer seldom gets past the first check of safetensors: an input that begins with a
// brace is taken as a header with its data.
std::vector<std::byte> with_length(std::span<const std::byte> input) {
  const auto end = std::find(input.begin(), input.end(), std::byte{'\n'});
  const auto header_bytes = static_cast<uint64_t>(end - input.begin());
  std::vector<std::byte> file(8);
  std::memcpy(file.data(), &header_bytes, sizeof header_bytes);
  file.insert(file.end(), input.begin(), end);
  if (end != input.end()) file.insert(file.end(), end + 1, input.end());
  return file;
}

void read_all(std::span<const std::byte> file) {
  try {
    const auto checkpoint = easel::Checkpoint::parse("input", file, nullptr);
    uint8_t sum = 0;
    for (const easel::WeightData& tensor : checkpoint->tensors()) {
      if (easel::bytes_of(tensor.dtype, tensor.shape.count()) != static_cast<int64_t>(tensor.bytes.size()))
        __builtin_trap();
      for (const std::byte byte : tensor.bytes) sum ^= static_cast<uint8_t>(byte);
      if (tensor.shape.count() < (1 << 20)) static_cast<void>(easel::Parameter(tensor).values());
    }
    asm volatile("" : : "r"(sum));  // the reads count
    static_cast<void>(easel::inspect(*checkpoint));
  } catch (const easel::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  if (size > 0 && data[0] == '{') {
    read_all(with_length(input));
  } else {
    read_all(input);
  }
  return 0;
}
