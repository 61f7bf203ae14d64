#include "easel/prompt/bpe.h"

#include <zlib.h>

#include <functional>
#include <queue>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/prompt/unicode.h"

namespace easel {
namespace {

constexpr int64_t kMerges = 48894;  // CLIP's vocabulary of 49408 less 2 * 256 bytes and the two special tokens
constexpr int64_t kLines = kMerges + 1;
constexpr uint64_t kMaxFileBytes = 16 << 20;
constexpr size_t kMaxTextBytes = 16 << 20;
constexpr std::string_view kEndOfWord = "</w>";
constexpr std::string_view kCure = "restore assets/bpe_simple_vocab_16e6.txt.gz of the easel distribution";

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

class Inflater {
 public:
  explicit Inflater(std::span<const std::byte> input) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
    stream_.avail_in = static_cast<uInt>(input.size());
    EASEL_ASSERT(inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK);  // 16: a gzip header
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }

  // Appends the next part of the text. False: there is no more, or it is damaged.
  bool read_more(std::string& text) {
    static constexpr size_t kStepBytes = 1 << 18;
    const size_t old_size = text.size();
    text.resize(old_size + kStepBytes);
    stream_.next_out = reinterpret_cast<Bytef*>(text.data() + old_size);
    stream_.avail_out = kStepBytes;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    text.resize(text.size() - stream_.avail_out);
    return status == Z_OK && text.size() > old_size;
  }

 private:
  z_stream stream_{};
};

// The first kLines lines. The file goes on with merges that CLIP does not use: they are not decompressed.
std::string read_lines(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorCode::not_found, "{}: no such file, but the tokenizer needs it; {}", path.string(), kCure);
  }
  const std::vector<std::byte> file = read_file(path, kMaxFileBytes);
  Inflater inflater(file);
  std::string text;
  int64_t lines = 0;
  size_t searched = 0;
  for (bool more = true; more && text.size() < kMaxTextBytes;) {
    more = inflater.read_more(text);
    for (size_t end; (end = text.find('\n', searched)) != std::string::npos;) {
      searched = end + 1;
      if (++lines < kLines) continue;
      text.resize(searched);
      return text;
    }
  }
  throw Error(ErrorCode::bad_config, "{}: {} lines of BPE merges could be read but the tokenizer needs {}; {}",
              path.string(), lines, kLines, kCure);
}

// The printable character that stands for a byte in the file (GPT-2's table).
std::vector<char32_t> byte_characters() {
  std::vector<char32_t> characters(256);
  char32_t next_free = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    characters[byte] = printable ? byte : next_free++;
  }
  return characters;
}

}  // namespace

class MergesReader {
 public:
  MergesReader(BytePairs& pairs, const std::filesystem::path& path) : pairs_(pairs), path_(path) {}

  void read() {
    const std::string text = read_lines(path_);
    spellings_.reserve(text.size() + 512 * 8);  // a merge is shorter than its line: views into it stay valid
    ids_.reserve(static_cast<size_t>(kMerges) + 512);
    pairs_.merges_.reserve(static_cast<size_t>(kMerges));
    add_bytes(false);
    add_bytes(true);
    size_t start = text.find('\n') + 1;  // line 0 is a version mark
    for (int64_t number = 1; number < kLines; ++number) {
      const size_t end = text.find('\n', start);
      add_merge(std::string_view(text).substr(start, end - start), number);
      start = end + 1;
    }
  }

 private:
  // Printable bytes come first, then all others.
  void add_bytes(bool ends_word) {
    static const std::vector<char32_t> characters = byte_characters();
    pairs_.id_of_byte_.resize(256);
    for (const bool printable : {true, false}) {
      for (size_t byte = 0; byte < 256; ++byte) {
        if ((characters[byte] == byte) != printable) continue;
        std::string spelling;
        append_utf8(spelling, characters[byte]);
        if (ends_word) spelling += kEndOfWord;
        if (!ends_word) pairs_.id_of_byte_[byte] = pairs_.size();
        add_symbol(spelling, "", std::string(1, static_cast<char>(byte)), ends_word);
      }
    }
  }

  void add_merge(std::string_view line, int64_t number) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) refuse(line, number);
    const auto left = ids_.find(line.substr(0, space));
    const auto right = ids_.find(line.substr(space + 1));
    if (left == ids_.end() || right == ids_.end() || pairs_.ends_word(left->second)) refuse(line, number);
    pairs_.merges_.emplace(pair_key(left->second, right->second), pairs_.size());
    std::string bytes(pairs_.bytes(left->second));
    bytes += pairs_.bytes(right->second);
    add_symbol(left->first, right->first, std::move(bytes), pairs_.ends_word(right->second));
  }

  void add_symbol(std::string_view left, std::string_view right, std::string bytes, bool ends_word) {
    const size_t start = spellings_.size();
    EASEL_ASSERT(start + left.size() + right.size() <= spellings_.capacity());
    spellings_.append(left).append(right);
    ids_.emplace(std::string_view(spellings_).substr(start), pairs_.size());
    pairs_.bytes_.push_back(std::move(bytes));
    pairs_.ends_word_.push_back(ends_word);
  }

  [[noreturn]] void refuse(std::string_view line, int64_t number) const {
    throw Error(ErrorCode::bad_config, "{}: line {} is no merge of two known symbols: \"{}\"; {}", path_.string(),
                number + 1, line.substr(0, 80), kCure);
  }

  BytePairs& pairs_;
  const std::filesystem::path& path_;
  std::string spellings_;                              // of all symbols as in the file, `</w>` included
  std::unordered_map<std::string_view, int32_t> ids_;  // by spelling
};

BytePairs BytePairs::open(const std::filesystem::path& merges_gz) {
  BytePairs pairs;
  MergesReader(pairs, merges_gz).read();
  return pairs;
}

std::optional<int32_t> BytePairs::merged(int32_t left, int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  if (found == merges_.end()) return std::nullopt;
  return found->second;
}

// Merges the earliest pair until none is left. Both parts of a merge are older than it is, so a merge never makes a
// pair that should have come before it: a heap of candidates, oldest merge first and then from the left, sees the right
// order.
std::vector<BytePairs::Token> BytePairs::split(std::string_view word) const {
  EASEL_ASSERT(!word.empty() && word.size() < UINT32_MAX);
  static constexpr int32_t kTaken = -1;  // the id of a token that its left neighbour has taken in
  const auto count = static_cast<uint32_t>(word.size());
  std::vector<Token> tokens(count);  // those that start at each byte; a token's right neighbour starts at its end
  std::vector<uint32_t> previous(count);
  for (uint32_t i = 0; i < count; ++i) {
    tokens[i] = {id_of_byte_[static_cast<unsigned char>(word[i])], i, i + 1};
    previous[i] = i - 1;
  }
  tokens.back().id += 256;

  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> candidates;  // merged id << 32 | left token
  const auto consider = [&](uint32_t left) {
    if (tokens[left].end == count) return;
    const auto id = merged(tokens[left].id, tokens[tokens[left].end].id);
    if (id) candidates.push(pair_key(*id, static_cast<int32_t>(left)));
  };
  for (uint32_t i = 0; i < count; ++i) consider(i);
  while (!candidates.empty()) {
    const auto id = static_cast<int32_t>(candidates.top() >> 32);
    const auto at = static_cast<uint32_t>(candidates.top());
    candidates.pop();
    Token& left = tokens[at];
    if (left.id == kTaken || left.end == count || merged(left.id, tokens[left.end].id) != id) continue;  // out of date
    Token& right = tokens[left.end];
    left = {id, left.begin, right.end};
    right.id = kTaken;
    if (left.end < count) previous[left.end] = at;
    if (at > 0) consider(previous[at]);
    consider(at);
  }
  std::erase_if(tokens, [](const Token& token) { return token.id == kTaken; });
  return tokens;
}

}  // namespace easel
