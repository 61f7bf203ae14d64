// Prompts as what the UNet is told. Private to easel/pipeline.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "easel/pipeline/embeddings.h"
#include "easel/pipeline/model.h"
#include "easel/prompt/prompt_tokens.h"
#include "easel/prompt/tokenizer.h"

namespace easel {

class PromptEncoder {
 public:
  using Warn = std::function<void(const std::string&)>;

  explicit PromptEncoder(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}

  struct Options {
    bool plain = true;      // cut to 77 tokens; else weights are read, and longer texts become several chunks of 77
    int64_t clip_skip = 1;  // the text encoder's last layer but so many, counted from 1
    bool operator==(const Options&) const = default;
  };

  // Encodes those of `texts` that are not known yet; tells `warn` the words that did not fit. Other options than the
  // last time make it forget. Throws Error bad_checkpoint if a result is not finite, and invalid_request for weights
  // that cannot be read.
  void prepare(const Model& model, const Device& device, const std::vector<std::string>& texts, Options options,
               const Warn& warn);
  // -> [1, 77 chunks, width]; the text was prepared.
  // Learned words from now on; encodings that may have changed are forgotten.
  void set_words(const AdapterShelf& shelf, const Model& model);
  // `text` without their names.
  std::string without_words(const std::string& text) const { return embeddings_->without_names(text); }
  // As of Embeddings::hint().
  std::optional<std::string> word_hint(std::string_view text) const { return embeddings_->hint(text, tokenizer_); }

  const Tensor& operator[](const std::string& prompt) const { return encoded_.at(prompt); }
  bool knows(const std::string& prompt) const { return encoded_.contains(prompt); }

  size_t size() const { return encoded_.size(); }
  void forget() { encoded_.clear(); }

 private:
  // -> [1, 77, width]
  Tensor run_encoder(const Model& model, const Device& device, std::span<const int32_t> ids,
                     std::span<const LearnedTokens> learned = {}) const;
  Tensor encode_plain(const Model& model, const Device& device, const std::string& text, const Warn& warn) const;
  Tensor encode_weighted(const Model& model, const Device& device, const std::string& text);

  Tokenizer tokenizer_;
  std::unique_ptr<Embeddings> embeddings_ = std::make_unique<Embeddings>();
  Options options_;
  std::map<std::string, Tensor> encoded_;
};

}  // namespace easel
