// Parameter: a weight as layers hold it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "easel/base/file.h"
#include "easel/tensor/dtype.h"
#include "easel/tensor/shape.h"

namespace easel {

// The bytes of one weight where they lie: in a mapped file or in memory that `owner` keeps alive.
struct WeightData {
  std::string name;  // as in the checkpoint
  Shape shape;
  DType dtype;
  std::span<const std::byte> bytes;  // row-major, bytes_of(dtype, shape.count())
  std::shared_ptr<const void> owner;
  const MappedFile* mapping = nullptr;  // the file that `bytes` lie in, if they do (kept alive by `owner`)
};

// A weight in the layout a backend computes with. Each backend derives its own.
class PackedWeight {
 public:
  virtual ~PackedWeight() = default;
};

enum class Residency {
  packed,    // what a backend packs is kept, and so are the file's pages that it reads directly
  streamed,  // read afresh from the file at each use, nothing kept (--low-memory)
};

// A cheap handle; copies share the packed forms.
class Parameter {
 public:
  explicit Parameter(WeightData data, Residency residency = Residency::packed);

  const std::string& name() const { return state_->data.name; }
  const Shape& shape() const { return state_->data.shape; }
  DType dtype() const { return state_->data.dtype; }
  Residency residency() const { return state_->residency; }
  std::span<const std::byte> bytes() const { return state_->data.bytes; }

  std::vector<float> values() const;  // unpacked to f32, row-major

  // The rows [begin, end) of the outermost dimension as a weight of its own: the same bytes, packed apart.
  Parameter rows(int64_t begin, int64_t end) const;

  // For backends: the form numbered `layout`, made by `pack` if it is not kept yet. Thread-safe. Once a weight is
  // packed, the pages of the file it came from are given back.
  using Pack = std::function<std::shared_ptr<const PackedWeight>()>;
  std::shared_ptr<const PackedWeight> packed(int layout, const Pack& pack) const;

  // For backends that read bytes() themselves: called after such a use. A streamed weight gives the file's pages back.
  void finish_use() const;

 private:
  struct State {
    WeightData data;
    Residency residency;
    std::mutex mutex;
    std::vector<std::pair<int, std::shared_ptr<const PackedWeight>>> kept;  // a weight has one form, seldom two
  };
  void release_file_pages() const;

  std::shared_ptr<State> state_;
};

}  // namespace easel
