// Writing a checkpoint anew: as safetensors or GGUF, and with weights of another type.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "easel/base/cancel.h"
#include "easel/checkpoint/checkpoint.h"

namespace easel {

struct ConvertOptions {
  std::optional<DType> type = {};  // f32, f16, bf16, q8_0, q5_1, q5_0, q4_1 or q4_0; nothing: as they are
  bool keep_convolutions = false;  // no quantised convolutions, which some programs cannot read
  bool overwrite = false;
  CancelToken cancel = {};
  std::function<void(uint64_t done_bytes, uint64_t all_bytes)> progress = {};  // of the file being written
};

struct TensorChange {
  std::string name;
  Shape shape;
  DType from;
  DType to;
  double relative_error;  // root of the mean square of the error over that of the values
  double largest_error;   // of one value
};

struct Conversion {
  std::string in_format;  // "safetensors"
  std::string out_format;
  uint64_t in_bytes;
  uint64_t out_bytes;
  std::vector<TensorChange> tensors;  // the largest relative error first
};

// The types by the names of the command line, "q8_0".
std::span<const std::string_view> conversion_type_names();
std::optional<DType> conversion_type(std::string_view name);

// What a tensor is written as (docs/checkpoint-formats.md has the rules). GGUF takes every type, safetensors only plain
// ones.
DType converted_type(const WeightData& tensor, CheckpointFormat out_format, const ConvertOptions& options);

// The ending of `out` tells its format: .safetensors or .gguf. A tensor at a time, so that memory does not depend on
// the file's size; all processors. `out` appears whole or not at all. The result does not depend on the number of
// threads. Throws Error invalid_request (ending, type, `out` exists), bad_checkpoint (unreadable, values that the type
// cannot hold), io_failure or cancelled.
Conversion convert_checkpoint(const std::filesystem::path& in, const std::filesystem::path& out,
                              const ConvertOptions& options);

}  // namespace easel
