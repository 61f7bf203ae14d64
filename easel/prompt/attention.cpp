#include "easel/prompt/attention.h"

#include <cmath>
#include <limits>

#include "easel/base/error.h"
#include "easel/prompt/numbers.h"
#include "easel/prompt/unicode.h"

namespace easel {
namespace {

constexpr double kRoundFactor = 1.1;
constexpr double kSquareFactor = 1.0 / 1.1;
constexpr std::string_view kBreak = "BREAK";
constexpr double kBreakWeight = -1.0;
constexpr std::string_view kSyntax = "\\()[]:";
constexpr std::string_view kProtected = "\\()[]";

class AttentionParser {
 public:
  explicit AttentionParser(std::string_view prompt) : prompt_(prompt) {}

  std::vector<WeightedText> run() {
    while (position_ < prompt_.size()) token();
    while (!round_.empty()) close(round_, kRoundFactor);
    while (!square_.empty()) close(square_, kSquareFactor);
    return joined();
  }

 private:
  using Brackets = std::vector<size_t>;  // for each open one, the number of parts before it

  void token() {
    switch (prompt_[position_]) {
      case '\\': return escape();
      case '(': return open(round_);
      case '[': return open(square_);
      case ':': return colon();
      case ')': return round_.empty() ? add_text(take(1)) : (take(1), close(round_, kRoundFactor));
      case ']': return square_.empty() ? add_text(take(1)) : (take(1), close(square_, kSquareFactor));
      default: add_text(take(prompt_.find_first_of(kSyntax, position_) - position_));
    }
  }

  std::string_view take(size_t bytes) {
    const std::string_view text = prompt_.substr(position_, bytes);
    position_ += text.size();
    return text;
  }

  // A backslash protects the syntax character behind it; before any other it vanishes.
  void escape() {
    take(1);
    const bool protects = position_ < prompt_.size() && kProtected.find(prompt_[position_]) != std::string_view::npos;
    parts_.push_back({std::string(protects ? take(1) : ""), 1.0});
  }

  void open(Brackets& brackets) {
    if (brackets.size() == kMaxBracketDepth) {
      throw Error(
          ErrorCode::invalid_request,
          "the prompt nests more than {} brackets at offset {}; write \\( for a bracket that is part of the text",
          kMaxBracketDepth, position_);
    }
    take(1);
    brackets.push_back(parts_.size());
  }

  void close(Brackets& brackets, double factor) {
    for (size_t i = brackets.back(); i < parts_.size(); ++i) {
      parts_[i].weight *= factor;
      if (!(std::abs(parts_[i].weight) <= std::numeric_limits<float>::max())) {
        throw Error(ErrorCode::invalid_request, "the weight of \"{}\" in the prompt is too large",
                    shortened(parts_[i].text));
      }
    }
    brackets.pop_back();
  }

  // `: 1.3 )` closes a round bracket with its number; any other colon is text.
  void colon() {
    const size_t number = skip_spaces(prompt_, position_ + 1);
    const size_t number_end = number + number_length(prompt_, number);
    const size_t bracket = skip_spaces(prompt_, number_end);
    if (number_end == number || bracket == prompt_.size() || prompt_[bracket] != ')') return add_text(take(1));
    const std::string_view digits = prompt_.substr(number, number_end - number);
    const std::string_view all = take(bracket + 1 - position_);
    if (round_.empty()) return add_text(all);
    const auto factor = parse_number(digits);
    if (!factor) {
      throw Error(
          ErrorCode::invalid_request,
          "\"{}\" at offset {} of the prompt is no weight; write a number such as 1.3, or \\( for a bracket that "
          "is part of the text",
          shortened(digits), number);
    }
    close(round_, *factor);
  }

  // Adds `text`, cut at the word BREAK and the white space around it.
  void add_text(std::string_view text) {
    size_t start = 0;
    for (size_t at = text.find(kBreak); at != std::string_view::npos; at = text.find(kBreak, at + kBreak.size())) {
      const size_t end = at + kBreak.size();
      const bool word_before = at > 0 && is_word(rune_before(text, at).value);
      const bool word_after = end < text.size() && is_word(rune_at(text, end).value);
      if (word_before || word_after) continue;
      const size_t solid = start + skip_spaces_back(text.substr(start, at - start), at - start);
      parts_.push_back({std::string(text.substr(start, solid - start)), 1.0});
      parts_.push_back({std::string(kBreak), kBreakWeight});
      start = skip_spaces(text, end);
    }
    parts_.push_back({std::string(text.substr(start)), 1.0});
  }

  std::vector<WeightedText> joined() {
    std::vector<WeightedText> out;
    for (WeightedText& part : parts_) {
      if (!out.empty() && out.back().weight == part.weight) {
        out.back().text += part.text;
      } else {
        out.push_back(std::move(part));
      }
    }
    if (out.empty()) out.push_back({"", 1.0});
    return out;
  }

  static std::string shortened(std::string_view text) { return replace_invalid_utf8(text.substr(0, 40)); }

  std::string_view prompt_;
  size_t position_ = 0;
  std::vector<WeightedText> parts_;
  Brackets round_;
  Brackets square_;
};

}  // namespace

std::vector<WeightedText> parse_attention(std::string_view prompt) {
  require_utf8(prompt);
  return AttentionParser(prompt).run();
}

bool is_break(const WeightedText& part) { return part.weight == kBreakWeight && part.text == kBreak; }

}  // namespace easel
