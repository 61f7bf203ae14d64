// Embeddings: the learned words that prompts of a job may use. Private to easel/pipeline.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "easel/adapter/embedding_file.h"
#include "easel/pipeline/adapters.h"
#include "easel/prompt/learned_words.h"
#include "easel/text_encoder/text_encoder.h"

namespace easel {

class Embeddings {
 public:
  Embeddings() = default;  // none
  Embeddings(const Embeddings&) = delete;
  Embeddings& operator=(const Embeddings&) = delete;

  // Takes stock of the files again. True if any came, went or changed since the last time. width: of the vectors that
  // the text encoder takes.
  bool refresh(const AdapterShelf& shelf, const Tokenizer& tokenizer, int64_t width);

  // Words are read from their files when a prompt first uses them: throws Error bad_checkpoint for a damaged file or
  // one that was made for another family of models.
  const LearnedWords& words() const { return words_; }
  Tensor vectors(size_t word, const Device& device);

  // `text` with the words' names taken out.
  std::string without_names(std::string text) const;

  // What to tell a person whose text, without names, has a word that is nearly one of them; nothing if none is, or if
  // the word is a usual one, which is a single token.
  std::optional<std::string> hint(std::string_view text, const Tokenizer& tokenizer) const;

 private:
  struct Stamp {
    std::string path;
    uint64_t bytes;
    int64_t changed;
    bool operator==(const Stamp&) const = default;
  };
  const EmbeddingFile& file(size_t word);

  std::vector<AdapterFile> files_;
  std::vector<Stamp> stamps_;
  int64_t width_ = 0;
  LearnedWords words_;
  std::map<size_t, EmbeddingFile> opened_;
};

}  // namespace easel
