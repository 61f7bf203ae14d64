// LoraLibrary: the LoRA files of a pipeline, opened once. Private to easel/pipeline.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "easel/adapter/lora_merge.h"
#include "easel/pipeline/adapters.h"
#include "easel/pipeline/lora_choice.h"

namespace easel {

class LoraLibrary {
 public:
  // Throws Error not_found (the nearest name is suggested) or bad_checkpoint.
  std::vector<LoraUse> open(const AdapterShelf& shelf, const std::vector<LoraChoice>& choices);

  // "name: 0123456789ab, other: ..." for the file of an image, as AUTOMATIC1111 writes it: SHA-256 of the files.
  std::string hashes(const AdapterShelf& shelf, const std::vector<LoraChoice>& choices);

 private:
  struct Entry {
    uint64_t bytes;
    int64_t changed;
    std::shared_ptr<const Lora> lora;
    std::string hash;  // empty until it is asked for
  };
  Entry& entry(const AdapterShelf& shelf, const LoraChoice& choice);

  std::map<std::string, Entry> entries_;  // by path
};

}  // namespace easel
