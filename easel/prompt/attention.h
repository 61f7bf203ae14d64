// Weights in prompts as the AUTOMATIC1111 web UI reads them: (more), [less], (by number:1.3), \( for a bracket, BREAK.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace easel {

struct WeightedText {
  std::string text;
  double weight;

  bool operator==(const WeightedText&) const = default;
};

inline constexpr size_t kMaxBracketDepth = 1000;

// The parts of the prompt in order, neighbours of equal weight joined; never empty. A BREAK is the part {"BREAK", -1};
// inside brackets its -1 is multiplied like any other weight.
// Throws Error invalid_request: not UTF-8, a weight that is no number or too large, brackets nested too deeply.
std::vector<WeightedText> parse_attention(std::string_view prompt);

// True for the part that starts a new chunk. BREAK inside brackets does not: the web UI takes it for a word.
bool is_break(const WeightedText& part);

}  // namespace easel
