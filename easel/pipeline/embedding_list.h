// The learned words that prompts may use, for those who list them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace easel {

struct EmbeddingEntry {
  std::string name;  // the word
  std::filesystem::path file;
  int64_t vectors;
  int64_t width;                     // numbers in each: models with another ModelUse::prompt_width cannot take it
  std::optional<int64_t> step = {};  // of its training, as far as the file tells
  std::optional<std::string> sd_checkpoint = {};  // hash and name of the model that it was trained with
  std::optional<std::string> sd_checkpoint_name = {};
};

// Textual-inversion embeddings as list_adapters() finds them, without those that cannot be read. Reads the structure of
// the files, not the vectors.
std::vector<EmbeddingEntry> list_embeddings();

}  // namespace easel
