#include "easel/pipeline/embedding_list.h"

#include "easel/adapter/embedding_file.h"
#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/pipeline/adapters.h"

namespace easel {

std::vector<EmbeddingEntry> list_embeddings() {
  std::vector<EmbeddingEntry> entries;
  for (const AdapterFile& file : list_adapters(AdapterKind::embedding)) {
    try {
      EmbeddingHeader header = EmbeddingHeader::from(*Checkpoint::open(file.path));
      entries.push_back({.name = file.name,
                         .file = file.path,
                         .vectors = header.count,
                         .width = header.width,
                         .step = header.step,
                         .sd_checkpoint = std::move(header.sd_checkpoint),
                         .sd_checkpoint_name = std::move(header.sd_checkpoint_name)});
    } catch (const Error& fault) {
      log::debug("{}", fault.what());  // a prompt that uses the word is told
    }
  }
  return entries;
}

}  // namespace easel
