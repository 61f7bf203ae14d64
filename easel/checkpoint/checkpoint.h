// Checkpoint: the named tensors of a model file, where they lie in the mapped file.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "easel/base/file.h"
#include "easel/tensor/parameter.h"

namespace easel {

enum class CheckpointFormat {
  safetensors,
  gguf,
  torch_zip,     // .ckpt of PyTorch 1.6 and later
  torch_legacy,  // the pickle stream before that
  memory,        // not from a file
};
std::string_view name_of(CheckpointFormat format);

class Checkpoint {
 public:
  // The format is found from the content, not from the name. Tensors stay in the mapped file; only those that are not
  // contiguous there are copied. `model_ema.*` is left out. Never runs code from the file.
  // Throws Error not_found, io_failure or bad_checkpoint, which says what the file is instead.
  static std::shared_ptr<const Checkpoint> open(const std::filesystem::path& path);

  // The same from bytes that `owner` keeps alive; `file` is the name for messages.
  static std::shared_ptr<const Checkpoint> parse(std::string file, std::span<const std::byte> bytes,
                                                 std::shared_ptr<const void> owner);

  // From tensors in memory. Throws Error bad_checkpoint if two have the same name.
  static std::shared_ptr<const Checkpoint> from_tensors(std::string file, std::vector<WeightData> tensors,
                                                        std::map<std::string, std::string> metadata = {});

  const std::string& file() const { return file_; }
  CheckpointFormat format() const { return format_; }
  uint64_t file_bytes() const { return file_bytes_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  int64_t ema_tensor_count() const { return ema_tensor_count_; }  // left out

  std::span<const WeightData> tensors() const { return tensors_; }  // sorted by name
  std::vector<std::string> names() const;                           // sorted
  const WeightData* find(std::string_view name) const;              // nullptr if there is none
  bool has_prefix(std::string_view prefix) const;                   // some name begins with `prefix`

  // The mapping behind the tensors, to release pages of it; nullptr if this is not from a file.
  const MappedFile* mapping() const { return mapping_.get(); }

 private:
  Checkpoint() = default;
  void set_tensors(std::vector<WeightData> tensors);

  std::string file_;
  CheckpointFormat format_ = CheckpointFormat::memory;
  uint64_t file_bytes_ = 0;
  std::map<std::string, std::string> metadata_;
  std::vector<WeightData> tensors_;
  int64_t ema_tensor_count_ = 0;
  std::shared_ptr<const MappedFile> mapping_;
};

}  // namespace easel
