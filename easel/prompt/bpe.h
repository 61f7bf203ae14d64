// Byte pair encoding over CLIP's list of merges (Sennrich et al. 2016, on bytes as in GPT-2).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace easel {

// Ids: 0..255 single bytes, 256..511 the same at the end of a word, then one for each merge.
class BytePairs {
 public:
  // Reads the gzip file of openai/CLIP. Throws Error not_found, io_failure or bad_config, naming the file and the cure.
  static BytePairs open(const std::filesystem::path& merges_gz);

  // A token and the bytes [begin, end) of the word it covers.
  struct Token {
    int32_t id;
    uint32_t begin;
    uint32_t end;
  };
  // The tokens of a word that is not empty, in O(n log n).
  std::vector<Token> split(std::string_view word) const;

  int32_t size() const { return static_cast<int32_t>(bytes_.size()); }
  std::string_view bytes(int32_t id) const { return bytes_[static_cast<size_t>(id)]; }
  bool ends_word(int32_t id) const { return ends_word_[static_cast<size_t>(id)]; }

 private:
  BytePairs() = default;
  // What `left` followed by `right` becomes. The lower the id, the earlier the merge.
  std::optional<int32_t> merged(int32_t left, int32_t right) const;

  std::vector<std::string> bytes_;  // [id]
  std::vector<bool> ends_word_;     // [id]
  std::vector<int32_t> id_of_byte_;
  std::unordered_map<uint64_t, int32_t> merges_;  // left << 32 | right -> id

  friend class MergesReader;
};

}  // namespace easel
