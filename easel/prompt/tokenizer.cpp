#include "easel/prompt/tokenizer.h"

#include <algorithm>
#include <array>

#include "easel/base/error.h"
#include "easel/prompt/html_entities.h"
#include "easel/prompt/unicode.h"

namespace easel {
namespace {

constexpr std::u32string_view kStartText = U"<|startoftext|>";
constexpr std::u32string_view kEndText = U"<|endoftext|>";
// In the order in which they are tried.
constexpr std::array<std::u32string_view, 9> kFixedWords{kStartText, kEndText, U"'s",  U"'t", U"'re",
                                                         U"'ve",     U"'m",    U"'ll", U"'d"};
constexpr char32_t kLongS = 0x017F;  // the one character besides `S` that case folding makes an `s`

Runes strip(const Runes& text) {
  const auto solid = [](const Rune& rune) { return !is_python_space(rune.value); };
  const auto first = std::find_if(text.begin(), text.end(), solid);
  const auto last = std::find_if(text.rbegin(), std::make_reverse_iterator(first), solid).base();
  return {first, last};
}

// Runs of white space become one space.
Runes collapse_spaces(const Runes& text) {
  Runes out;
  out.reserve(text.size());
  for (const Rune& rune : text) {
    if (!is_white_space(rune.value)) {
      out.push_back(rune);
    } else if (!out.empty() && out.back().value == U' ') {
      out.back().end = rune.end;
    } else {
      out.push_back({U' ', rune.begin, rune.end});
    }
  }
  return out;
}

Runes clean(std::string_view prompt) {
  const Runes unescaped = unescape_html(unescape_html(decode_utf8(prompt)));
  return lower_case(strip(collapse_spaces(strip(unescaped))));
}

bool starts_with(std::span<const Rune> text, std::u32string_view word) {
  return text.size() >= word.size() &&
         std::equal(word.begin(), word.end(), text.begin(),
                    [](char32_t w, const Rune& r) { return w == (r.value == kLongS ? U's' : r.value); });
}

bool is_punctuation(char32_t value) { return !is_white_space(value) && !is_letter(value) && !is_number(value); }

// The runes of the word at the start of `text`, which is no white space.
size_t word_length(std::span<const Rune> text) {
  for (const std::u32string_view word : kFixedWords) {
    if (starts_with(text, word)) return word.size();
  }
  const char32_t first = text.front().value;
  if (is_number(first)) return 1;
  const auto same_class = is_letter(first) ? is_letter : is_punctuation;
  size_t length = 1;
  while (length < text.size() && same_class(text[length].value)) ++length;
  return length;
}

// `<|startoftext|>` and `<|endoftext|>` typed in the prompt; a spelling with a long s is an ordinary word.
std::optional<int32_t> special_token(std::span<const Rune> word) {
  const auto is = [word](std::u32string_view text) { return std::ranges::equal(word, text, {}, &Rune::value); };
  if (is(kStartText)) return kStartToken;
  if (is(kEndText)) return kEndToken;
  return std::nullopt;
}

void append_word(std::vector<SourceToken>& tokens, std::span<const Rune> word, const BytePairs& pairs) {
  if (const auto id = special_token(word)) {
    tokens.push_back({*id, word.front().begin, word.back().end, true});
    return;
  }
  std::string bytes;
  std::vector<uint32_t> rune_of_byte;
  for (uint32_t i = 0; i < word.size(); ++i) {
    append_utf8(bytes, word[i].value);
    rune_of_byte.resize(bytes.size(), i);
  }
  for (const BytePairs::Token& token : pairs.split(bytes)) {
    const Rune& first = word[rune_of_byte[token.begin]];
    const Rune& last = word[rune_of_byte[token.end - 1]];
    tokens.push_back({token.id, first.begin, last.end, token.begin == 0});
  }
}

}  // namespace

Tokenizer Tokenizer::open(const std::filesystem::path& merges_gz) {
  BytePairs pairs = BytePairs::open(merges_gz);
  EASEL_ASSERT(pairs.size() == kStartToken);
  return Tokenizer(std::move(pairs));
}

std::vector<SourceToken> Tokenizer::encode_with_source(std::string_view prompt) const {
  const Runes text = clean(prompt);
  std::vector<SourceToken> tokens;
  for (std::span<const Rune> rest = text; !rest.empty();) {
    const bool skipped = is_white_space(rest.front().value);
    const size_t length = skipped ? 1 : word_length(rest);
    if (!skipped) append_word(tokens, rest.first(length), pairs_);
    rest = rest.subspan(length);
  }
  return tokens;
}

std::vector<int32_t> Tokenizer::encode(std::string_view prompt) const {
  const std::vector<SourceToken> tokens = encode_with_source(prompt);
  std::vector<int32_t> ids(tokens.size());
  std::ranges::transform(tokens, ids.begin(), &SourceToken::id);
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (id < 0 || id > kEndToken) {
      throw Error(ErrorCode::invalid_request, "token {} does not exist; CLIP's are 0 to {}", id, kEndToken);
    }
    if (id == kStartToken) bytes += "<|startoftext|> ";
    if (id == kEndToken) bytes += "<|endoftext|> ";
    if (id >= kStartToken) continue;
    bytes += pairs_.bytes(id);
    if (pairs_.ends_word(id)) bytes += ' ';
  }
  if (bytes.ends_with(' ')) bytes.pop_back();
  return replace_invalid_utf8(bytes);
}

}  // namespace easel
