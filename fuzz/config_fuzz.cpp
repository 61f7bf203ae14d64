// Any text as a model configuration.
#include <cstdint>

#include "easel/base/error.h"
#include "easel/checkpoint/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    static_cast<void>(easel::parse_model_config("input", {reinterpret_cast<const char*>(data), size}));
  } catch (const easel::Error&) {
  }
  return 0;
}
