#include "easel/prompt/schedule_grammar.h"

#include <algorithm>

#include "easel/prompt/unicode.h"

namespace easel {
namespace {

constexpr std::string_view kSyntax = "\\[]():|";

size_t count_digits(std::string_view text, size_t position) {
  size_t end = position;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  return end - position;
}

size_t skip_sign(std::string_view text, size_t position) {
  return position < text.size() && (text[position] == '+' || text[position] == '-') ? position + 1 : position;
}

// Sign, digits with at most one point, exponent; white space around.
std::optional<std::string_view> when_number(std::string_view text) {
  const size_t start = skip_spaces(text, 0);
  size_t at = skip_sign(text, start);
  size_t digits = count_digits(text, at);
  at += digits;
  if (at < text.size() && text[at] == '.') {
    const size_t decimals = count_digits(text, at + 1);
    digits += decimals;
    at += 1 + decimals;
  }
  if (digits == 0) return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    const size_t exponent = skip_sign(text, at + 1);
    const size_t exponent_digits = count_digits(text, exponent);
    if (exponent_digits == 0) return std::nullopt;
    at = exponent + exponent_digits;
  }
  if (skip_spaces(text, at) != text.size()) return std::nullopt;
  return text.substr(start, at - start);
}

// A bracket is well-formed if all inside it is. One that is not stays as text, and so do all that enclose it, since
// only the outermost level may hold stray brackets and colons. Hence one pass with a stack of open brackets is enough.
class ScheduleParser {
 public:
  explicit ScheduleParser(std::string_view prompt) : prompt_(prompt) {}

  std::optional<ScheduleGrammar> run() {
    while (position_ < prompt_.size() && well_formed_) next();
    give_up_open_brackets();
    if (!well_formed_) return std::nullopt;
    return std::move(grammar_);
  }

 private:
  struct Bracket {
    char kind;
    size_t piece;
    std::vector<size_t> colons;  // pieces
    std::vector<size_t> pipes;
  };

  void next() {
    const char first = prompt_[position_];
    switch (first) {
      case '\\': return escape();
      case '(':
      case '[': open_.push_back({first, grammar_.pieces.size(), {}, {}}); return add_piece(1);
      case ')': return close('(');
      case ']': return close('[');
      case ':':
        if (!open_.empty()) open_.back().colons.push_back(grammar_.pieces.size());
        return add_piece(1);
      case '|':
        if (open_.empty()) well_formed_ = false;
        if (!open_.empty()) open_.back().pipes.push_back(grammar_.pieces.size());
        return add_piece(1);
      default: return add_piece(prompt_.find_first_of(kSyntax, position_) - position_);
    }
  }

  void add_piece(size_t bytes) {
    grammar_.pieces.push_back({prompt_.substr(position_, bytes), std::nullopt});
    position_ += grammar_.pieces.back().text.size();
  }

  // A backslash protects the next character.
  void escape() {
    const size_t next = position_ + 1;
    if (next == prompt_.size() || prompt_[next] == '\n') {
      well_formed_ = false;
      return;
    }
    add_piece(1 + rune_at(prompt_, next).bytes);
  }

  void close(char kind) {
    const size_t closing = grammar_.pieces.size();
    add_piece(1);
    if (open_.empty()) return;
    const Bracket& bracket = open_.back();
    const bool plain = bracket.pipes.empty() && bracket.colons.size() <= (kind == '(' ? 1 : 0);
    const bool accepted =
        bracket.kind == kind && (plain || (kind == '[' && (alternate(bracket, closing) || edit(bracket, closing))));
    if (accepted) {
      open_.pop_back();
    } else {
      give_up_open_brackets();
    }
  }

  // They are text; a `|` in them is then outside of an edit.
  void give_up_open_brackets() {
    const auto has_pipe = [](const Bracket& bracket) { return !bracket.pipes.empty(); };
    if (std::ranges::any_of(open_, has_pipe)) well_formed_ = false;
    open_.clear();
  }

  // [a|b|...]
  bool alternate(const Bracket& bracket, size_t closing) {
    if (bracket.pipes.empty() || !bracket.colons.empty()) return false;
    std::vector<ScheduleGrammar::Option> options;
    size_t begin = bracket.piece + 1;
    for (const size_t pipe : bracket.pipes) {
      options.push_back({begin, pipe});
      begin = pipe + 1;
    }
    options.push_back({begin, closing});
    add_edit(bracket, {.alternates = true, .options = std::move(options), .when = {}, .end = closing + 1});
    return true;
  }

  // [from:to:when] or [to:when]
  bool edit(const Bracket& bracket, size_t closing) {
    const size_t count = bracket.colons.size();
    if (!bracket.pipes.empty() || count < 1 || count > 2) return false;
    const size_t last_colon = bracket.colons.back();
    if (closing != last_colon + 2) return false;  // `when` is one piece
    const auto when = when_number(grammar_.pieces[last_colon + 1].text);
    if (!when) return false;
    const size_t begin = bracket.piece + 1;
    const size_t from_end = count == 2 ? bracket.colons.front() : begin;
    const size_t to_begin = count == 2 ? from_end + 1 : begin;
    add_edit(bracket, {.alternates = false,
                       .options = {{begin, from_end}, {to_begin, last_colon}},
                       .when = *when,
                       .end = closing + 1});
    return true;
  }

  void add_edit(const Bracket& bracket, ScheduleGrammar::Edit edit) {
    grammar_.pieces[bracket.piece].edit = grammar_.edits.size();
    grammar_.edits.push_back(std::move(edit));
  }

  std::string_view prompt_;
  size_t position_ = 0;
  bool well_formed_ = true;
  std::vector<Bracket> open_;
  ScheduleGrammar grammar_;
};

}  // namespace

std::optional<ScheduleGrammar> parse_schedule(std::string_view prompt) { return ScheduleParser(prompt).run(); }

}  // namespace easel
