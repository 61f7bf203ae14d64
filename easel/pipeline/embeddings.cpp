#include "easel/pipeline/embeddings.h"

#include <algorithm>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {
namespace {

constexpr size_t kLettersPerMistake = 5;

int64_t time_of_change(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::last_write_time(path, ignored).time_since_epoch().count();
}

std::string_view family_of(int64_t width) {
  switch (width) {
    case 768: return ", as embeddings for SD 1.x have";
    case 1024: return ", as embeddings for SD 2.x have";
    default: return "";
  }
}

// At white space and at the signs of the prompt's grammar.
std::vector<std::string> words_in(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (std::string_view(" \t\r\n,.;:|()[]{}<>\"").find(c) == std::string_view::npos) {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  return words;
}

}  // namespace

bool Embeddings::refresh(const AdapterShelf& shelf, const Tokenizer& tokenizer, int64_t width) {
  std::vector<AdapterFile> files = shelf.all(AdapterKind::embedding);
  std::vector<Stamp> stamps;
  for (const AdapterFile& file : files) stamps.push_back({file.path.string(), file.bytes, time_of_change(file.path)});
  if (stamps == stamps_ && width == width_) return false;
  files_ = std::move(files);
  stamps_ = std::move(stamps);
  width_ = width;
  opened_.clear();
  std::vector<std::string> names;
  for (const AdapterFile& file : files_) names.push_back(is_utf8(file.name) ? file.name : "");
  words_ = LearnedWords(tokenizer, names, [this](size_t word) { return file(word).count; });
  return true;
}

const EmbeddingFile& Embeddings::file(size_t word) {
  if (const auto known = opened_.find(word); known != opened_.end()) return known->second;
  EmbeddingFile embedding = EmbeddingFile::open(files_[word].path);
  if (embedding.width != width_) {
    throw Error(
        ErrorCode::bad_checkpoint,
        "the prompt uses the embedding {} ({}), whose vectors have {} numbers{}, but this model takes {}; use one "
        "that was made for it, or write the word otherwise",
        files_[word].name, files_[word].path.string(), embedding.width, family_of(embedding.width), width_);
  }
  return opened_.emplace(word, std::move(embedding)).first->second;
}

Tensor Embeddings::vectors(size_t word, const Device& device) {
  const EmbeddingFile& embedding = file(word);
  return Tensor::from(device, {embedding.count, embedding.width}, std::span<const float>(embedding.values));
}

std::optional<std::string> Embeddings::hint(std::string_view text, const Tokenizer& tokenizer) const {
  std::vector<std::string> names;
  for (const AdapterFile& file : files_) names.push_back(file.name);
  for (const std::string& word : words_in(text)) {
    if (word.size() < kLettersPerMistake) continue;
    const auto nearest = nearest_name(word, names, word.size() / kLettersPerMistake);
    if (!nearest || tokenizer.encode(word).size() < 2) continue;
    return fmt::format("the prompt's '{}' is no learned word; did you mean {}?", word, *nearest);
  }
  return std::nullopt;
}

std::string Embeddings::without_names(std::string text) const {
  for (const AdapterFile& file : files_) {
    const std::string name = lower_ascii(file.name);
    std::string lower = lower_ascii(text);
    for (size_t at = lower.find(name); at != std::string::npos && !name.empty(); at = lower.find(name, at)) {
      text.replace(at, name.size(), " ");
      lower.replace(at, name.size(), " ");
    }
  }
  return text;
}

}  // namespace easel
