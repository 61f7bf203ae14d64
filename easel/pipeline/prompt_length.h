// How long a prompt is to a text encoder, for programs to show while it is typed.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace easel {

struct PromptLength {
  int64_t tokens;
  int64_t limit;  // what is beyond is cut
};

// May be used from several threads.
class PromptRuler {
 public:
  // Throws Error not_found if the program's list of tokens is missing.
  PromptRuler();
  ~PromptRuler();

  // Throws Error invalid_request if the prompt is not UTF-8 or longer than kMaxPromptBytes.
  PromptLength measure(std::string_view prompt) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace easel
