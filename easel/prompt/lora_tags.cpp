#include "easel/prompt/lora_tags.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/prompt/unicode.h"

namespace easel {
namespace {

constexpr std::array<std::string_view, 3> kKinds = {"lora", "lyco", "hypernet"};

// "<lora:NAME...>" at the start of `text`: its length; 0 if there is none.
size_t tag_length(std::string_view text, std::string_view kind) {
  if (!text.starts_with(fmt::format("<{}:", kind))) return 0;
  const size_t end = text.find('>');
  return end == std::string_view::npos || end == kind.size() + 2 ? 0 : end + 1;
}

double require_weight(std::string_view tag, const std::string& text) {
  const auto number = parse_number<double>(trim(text));
  if (number && std::abs(*number) <= kMaxLoraWeight) return *number;
  throw Error(ErrorCode::invalid_request,
              "{} in the prompt: '{}' is no weight; expected a number from {} to {}, as in {}", tag,
              replace_invalid_utf8(text.substr(0, 40)), -kMaxLoraWeight, kMaxLoraWeight, "<lora:name:0.8>");
}

// tag: "<lora:name:0.8>", inside: "name:0.8"
LoraTag parse_tag(std::string_view tag, std::string_view inside) {
  std::vector<std::string> parts = split(inside, ':');
  LoraTag out{.name = trim(parts.front()), .text_encoder_weight = 1.0, .unet_weight = 1.0};
  std::optional<double> text_encoder, unet;
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t equals = parts[i].find('=');
    const std::string key = equals == std::string::npos ? std::string() : trim(parts[i].substr(0, equals));
    const double weight = require_weight(tag, parts[i].substr(equals == std::string::npos ? 0 : equals + 1));
    if (key == "te" || (key.empty() && i == 1)) {
      text_encoder = weight;
    } else if (key == "unet" || (key.empty() && i == 2)) {
      unet = weight;
    } else {
      throw Error(ErrorCode::invalid_request,
                  "{} in the prompt: '{}' is not understood; expected a name and one or two weights", tag,
                  replace_invalid_utf8(parts[i].substr(0, 40)));
    }
  }
  if (out.name.empty()) throw Error(ErrorCode::invalid_request, "{} in the prompt names no LoRA", tag);
  out.text_encoder_weight = text_encoder.value_or(1.0);
  out.unet_weight = unet.value_or(out.text_encoder_weight);
  return out;
}

}  // namespace

TaggedPrompt take_lora_tags(std::string_view prompt) {
  require_utf8(prompt);
  TaggedPrompt out;
  while (!prompt.empty()) {
    const size_t start = std::min(prompt.find('<'), prompt.size());
    out.text += prompt.substr(0, start);
    prompt.remove_prefix(start);
    size_t length = 0;
    for (const std::string_view kind : kKinds) {
      length = tag_length(prompt, kind);
      if (length == 0) continue;
      const std::string_view tag = prompt.substr(0, length);
      if (kind == "hypernet") {
        throw Error(ErrorCode::invalid_request, "{} in the prompt: easel has no hypernetworks; leave it out", tag);
      }
      out.loras.push_back(parse_tag(tag, tag.substr(kind.size() + 2, length - kind.size() - 3)));
      break;
    }
    if (length == 0 && !prompt.empty()) {
      out.text += prompt.front();
      length = 1;
    }
    prompt.remove_prefix(length);
  }
  return out;
}

}  // namespace easel
