// Several prompts in one, as the AUTOMATIC1111 web UI reads them: `a cat AND a dog :0.8`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace easel {

struct Subprompt {
  std::string text;
  double weight;

  bool operator==(const Subprompt&) const = default;
};

// The parts between the words AND, each with the `: number` at its end or 1.0; never empty.
// Throws Error invalid_request: not UTF-8, or a weight too large.
std::vector<Subprompt> split_composition(std::string_view prompt);

}  // namespace easel
