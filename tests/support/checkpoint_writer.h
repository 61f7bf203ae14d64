// Model files made for tests: well-formed ones of every format, and the parts to make malformed ones of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "easel/checkpoint/checkpoint.h"
#include "easel/tensor/parameter.h"

namespace easel::testing {

using Bytes = std::vector<std::byte>;
Bytes to_bytes(std::string_view text);
// The file in memory as Checkpoint reads it. Throws what Checkpoint::open() would.
std::shared_ptr<const Checkpoint> parse(const Bytes& file);

WeightData f32_tensor(std::string name, const Shape& shape, std::span<const float> values);
WeightData f32_tensor(std::string name, const Shape& shape);  // 0, 1, 2, ...

// A well-formed safetensors file.
Bytes safetensors_bytes(std::span<const WeightData> tensors, const std::map<std::string, std::string>& metadata = {});
void write_safetensors(const std::filesystem::path& path, std::span<const WeightData> tensors,
                       const std::map<std::string, std::string>& metadata = {});
// Any header, right or wrong, with `data_bytes` zero bytes after it.
Bytes safetensors_with_header(std::string_view header, size_t data_bytes);
// Tensors of these shapes full of zeros, as a sparse file that takes no space on the disk.
void write_sparse_safetensors(const std::filesystem::path& path, const std::map<std::string, Shape>& shapes,
                              DType dtype);

struct ZipFile {
  std::string name;
  Bytes bytes;
  bool deflated = false;
};
// `zip64` puts every size and offset where files beyond 4 GB have them.
Bytes zip_bytes(std::span<const ZipFile> files, bool zip64 = false);

// Opcodes of a pickle, protocol 2, put together by hand.
class PickleWriter {
 public:
  PickleWriter& raw(std::string_view opcodes);
  PickleWriter& text(std::string_view value);
  PickleWriter& integer(int64_t value);
  PickleWriter& global(std::string_view module, std::string_view name);
  PickleWriter& sizes(std::span<const int64_t> values);  // a tuple
  // A call of torch._utils._rebuild_tensor_v2. `old` adds the sixth part that storages have in the old stream.
  PickleWriter& tensor(std::string_view storage_type, std::string_view key, int64_t element_count, int64_t offset,
                       std::span<const int64_t> sizes, std::span<const int64_t> strides, bool old = false);
  Bytes finish();  // appends STOP

 private:
  Bytes bytes_;
};

// {"state_dict": {name: tensor, ...}}, a storage per tensor: what torch.save() writes.
Bytes torch_zip_bytes(std::span<const WeightData> tensors, bool deflated = false);
Bytes torch_legacy_bytes(std::span<const WeightData> tensors);
// A zip with this pickle and one storage "0".
Bytes torch_zip_with_pickle(Bytes pickle, Bytes storage = {});

// tests/golden/models/sd1-tiny.ckpt as safetensors, in `directory`.
std::filesystem::path convert_sd1_tiny(const std::filesystem::path& directory);

// Names and shapes of tests/golden/checkpoints/NAME.json: a full-size checkpoint without its weights.
std::map<std::string, Shape> full_structure(const std::string& name);
// A checkpoint with these tensors and no bytes behind them.
std::shared_ptr<const Checkpoint> hollow_checkpoint(const std::map<std::string, Shape>& shapes);

// sd2-depth-tiny (a UNet alone), with the text encoder and VAE of sd2-tiny, which it shares, and a depth network.
std::filesystem::path assemble_sd2_depth_tiny(const std::filesystem::path& folder);

}  // namespace easel::testing
