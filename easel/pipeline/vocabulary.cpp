#include "easel/pipeline/vocabulary.h"

#include <algorithm>
#include <vector>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {
namespace {

constexpr size_t kShownUnknown = 8;
constexpr size_t kShownKnown = 80;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80; }

// In lower case, without what is not a letter.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : lower_ascii(text)) {
    if (is_letter(c)) {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

}  // namespace

std::optional<std::string> vocabulary_hint(const Checkpoint& checkpoint, std::string_view prompt) {
  const auto at = checkpoint.metadata().find("easel.vocabulary");
  if (at == checkpoint.metadata().end()) return std::nullopt;
  const std::vector<std::string> known = words_of(at->second);
  std::vector<std::string> unknown;
  for (const std::string& word : words_of(prompt)) {
    const bool is_new = std::find(unknown.begin(), unknown.end(), word) == unknown.end();
    if (is_new && std::find(known.begin(), known.end(), word) == known.end()) unknown.push_back(word);
  }
  if (unknown.empty()) return std::nullopt;
  return fmt::format("this small model never saw: {}; it knows the words {}", join_shortened(unknown, kShownUnknown),
                     join_shortened(known, kShownKnown));
}

}  // namespace easel
