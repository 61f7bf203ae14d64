#include "easel/adapter/lora_metadata.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/base/text.h"

namespace easel {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kEntry = "lora_adapter_metadata";
constexpr std::string_view kRegexSigns = "\\^$*+?()[]{}|";

// PEFT takes a pattern for a regular expression that the end of a module's name has to match, after a point or from the
// beginning; with "^" it has to match the beginning. Those that people write are parts of names.
struct Pattern {
  std::string text;
  bool from_begin = false;
  bool to_end = true;

  bool fits(std::string_view module) const {
    if (from_begin) return to_end ? module == text : module.starts_with(text);
    return module == text || module.ends_with("." + text);
  }
};

// Nothing for a regular expression that is more than a part of a name.
std::optional<Pattern> read_pattern(std::string_view text) {
  Pattern pattern;
  if (text.starts_with('^')) {
    pattern.from_begin = true;
    pattern.to_end = text.ends_with('$');
    text.remove_prefix(1);
  }
  if (text.ends_with('$')) text.remove_suffix(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("\\.")) ++i;
    pattern.text += text[i];
  }
  if (pattern.text.find_first_of(kRegexSigns) != std::string::npos) return std::nullopt;
  return pattern;
}

std::optional<double> first_fit(const std::vector<std::pair<std::string, double>>& patterns, std::string_view module) {
  for (const auto& [text, value] : patterns) {
    if (read_pattern(text)->fits(module)) return value;
  }
  return std::nullopt;
}

double number_of(const Json& value, const std::string& key) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    throw Error(ErrorCode::bad_checkpoint, "{} is {}, expected a number", key, value.dump());
  }
  return value.get<double>();
}

std::vector<std::pair<std::string, double>> patterns_of(const Json& value, const std::string& key) {
  std::vector<std::pair<std::string, double>> patterns;
  for (const auto& [text, number] : value.items()) {
    if (!read_pattern(text)) {
      throw Error(ErrorCode::bad_checkpoint, "{} has the regular expression '{}', expected names of layers", key, text);
    }
    patterns.emplace_back(text, number_of(number, key));
  }
  return patterns;
}

std::pair<LoraPart, std::string_view> part_and_rest(std::string_view key) {
  if (key.starts_with("unet.")) return {LoraPart::unet, key.substr(5)};
  if (key.starts_with("text_encoder.")) return {LoraPart::text_encoder, key.substr(13)};
  return {LoraPart::unknown, key};
}

}  // namespace

std::optional<LoraMetadata> LoraMetadata::of(const Checkpoint& checkpoint) try {
  const auto entry = checkpoint.metadata().find(kEntry);
  if (entry == checkpoint.metadata().end()) return std::nullopt;
  LoraMetadata metadata;
  metadata.file_ = checkpoint.file();
  const Json json = Json::parse(entry->second);
  if (!json.is_object()) throw Error(ErrorCode::bad_checkpoint, "expected an object");
  for (const auto& [key, value] : json.items()) {
    const auto [part, name] = part_and_rest(key);
    Config& config = metadata.configs_[static_cast<size_t>(part)];
    if (value.is_null()) continue;
    if (name == "r") config.rank = number_of(value, key);
    if (name == "lora_alpha") config.alpha = number_of(value, key);
    if (name == "rank_pattern") config.rank_pattern = patterns_of(value, key);
    if (name == "alpha_pattern") config.alpha_pattern = patterns_of(value, key);
    if (name == "use_rslora") config.by_square_root = value == true;
  }
  return metadata;
} catch (const nlohmann::json::exception& failure) {
  throw Error(ErrorCode::bad_checkpoint, "{}: {} is not valid JSON: {}", checkpoint.file(), kEntry, failure.what());
} catch (const Error& failure) {
  throw Error(ErrorCode::bad_checkpoint, "{}: {} is not understood: {}", checkpoint.file(), kEntry, failure.what());
}

std::optional<double> LoraMetadata::scale(LoraPart part, std::string_view module, int64_t rank) const {
  const Config& config = this->config(part);
  const auto or_default = [&](const Patterns& patterns, std::optional<double> value) {
    const auto own = first_fit(patterns, module);
    return own ? own : value;
  };
  const auto told = or_default(config.rank_pattern, config.rank);
  if (told && *told != static_cast<double>(rank)) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: {} says that {} has rank {}, but its tensors have rank {}; was the file changed afterwards?",
                file_, kEntry, module, *told, rank);
  }
  const auto alpha = or_default(config.alpha_pattern, config.alpha);
  if (!alpha) return std::nullopt;
  return *alpha / (config.by_square_root ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank));
}

}  // namespace easel
