#include "easel/adapter/embedding_file.h"

#include <algorithm>
#include <cmath>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {
namespace {

bool holds_vectors(const WeightData& tensor) { return tensor.shape.rank() == 1 || tensor.shape.rank() == 2; }

const WeightData& find_vectors(const Checkpoint& checkpoint) {
  if (checkpoint.find("clip_g") != nullptr && checkpoint.find("clip_l") != nullptr) {
    throw Error(ErrorCode::bad_checkpoint, "{}: is an embedding for SDXL, expected one for SD 1.x or 2.x",
                checkpoint.file());
  }
  std::vector<const WeightData*> found;
  for (const WeightData& tensor : checkpoint.tensors()) {
    if (tensor.name == "emb_params" || tensor.name.starts_with("string_to_param.")) found.push_back(&tensor);
  }
  if (found.empty()) {
    for (const WeightData& tensor : checkpoint.tensors()) found.push_back(&tensor);
  }
  if (found.size() == 1 && holds_vectors(*found.front())) return *found.front();
  std::vector<std::string> names;
  for (const WeightData* tensor : found) names.push_back(fmt::format("{} {}", tensor->name, tensor->shape));
  throw Error(ErrorCode::bad_checkpoint,
              "{}: is no textual-inversion embedding of one word: expected one tensor of vectors, found {}",
              checkpoint.file(), fmt::join(names, ", "));
}

std::optional<std::string> metadata_of(const Checkpoint& checkpoint, const char* key) {
  const auto at = checkpoint.metadata().find(key);
  return at == checkpoint.metadata().end() ? std::nullopt : std::optional(at->second);
}

}  // namespace

EmbeddingFile EmbeddingFile::open(const std::filesystem::path& file) { return from(*Checkpoint::open(file)); }

EmbeddingHeader EmbeddingHeader::from(const Checkpoint& checkpoint) {
  const WeightData& tensor = find_vectors(checkpoint);
  EmbeddingHeader header{.count = tensor.shape.rank() == 1 ? 1 : tensor.shape.dim(0), .width = tensor.shape.dim(-1)};
  if (header.count < 1 || header.count > EmbeddingFile::kMaxVectors || header.width < 1) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the embedding {} is {}, expected 1 to {} vectors", checkpoint.file(),
                tensor.name, tensor.shape, EmbeddingFile::kMaxVectors);
  }
  header.sd_checkpoint = metadata_of(checkpoint, "sd_checkpoint");
  header.sd_checkpoint_name = metadata_of(checkpoint, "sd_checkpoint_name");
  if (const auto step = metadata_of(checkpoint, "step")) header.step = parse_number<int64_t>(*step);
  return header;
}

EmbeddingFile EmbeddingFile::from(const Checkpoint& checkpoint) {
  const WeightData& tensor = find_vectors(checkpoint);
  const EmbeddingHeader header = EmbeddingHeader::from(checkpoint);
  EmbeddingFile embedding{.count = header.count, .width = header.width};
  embedding.values.resize(static_cast<size_t>(tensor.shape.count()));
  convert_to_f32(tensor.dtype, tensor.bytes, embedding.values);
  if (!std::ranges::all_of(embedding.values, [](float value) { return std::isfinite(value); })) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the embedding {} holds numbers that are not finite; download it again",
                checkpoint.file(), tensor.name);
  }
  return embedding;
}

}  // namespace easel
