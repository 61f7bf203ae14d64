// Prompts as what the UNet is told. Private to easel/pipeline.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "easel/pipeline/model.h"
#include "easel/prompt/prompt_tokens.h"
#include "easel/prompt/tokenizer.h"

namespace easel {

class PromptEncoder {
 public:
  using Warn = std::function<void(const std::string&)>;

  explicit PromptEncoder(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}

  // Encodes those of `prompts` that are not known yet; tells `warn` the words that did not fit. Throws Error
  // bad_checkpoint if a result is not finite.
  void prepare(const Model& model, const Device& device, const std::vector<std::string>& prompts, const Warn& warn);
  // -> [1, 77, width]; the prompt was prepared.
  const Tensor& operator[](const std::string& prompt) const { return encoded_.at(prompt); }
  bool knows(const std::string& prompt) const { return encoded_.contains(prompt); }

  size_t size() const { return encoded_.size(); }
  void forget() { encoded_.clear(); }

 private:
  Tokenizer tokenizer_;
  std::map<std::string, Tensor> encoded_;
};

}  // namespace easel
