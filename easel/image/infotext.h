// The generation parameters as text, in AUTOMATIC1111's form: prompt, negative prompt and one line of `Key: value`
// pairs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace easel {

struct InfotextField {
  std::string key;
  std::string value;
  bool operator==(const InfotextField&) const = default;
};

struct Infotext {
  std::string prompt;
  std::string negative_prompt;
  std::vector<InfotextField> fields;  // in order, keys once

  std::optional<std::string> find(std::string_view key) const;
};

// Never fails: what is no parameter line belongs to the prompt. A size `Key: WxH` gives `Key-1` and `Key-2`, empty
// values are left out. The last line is a parameter line if it holds at least 3 pairs.
Infotext parse_infotext(std::string_view text);

std::string write_infotext(const Infotext& infotext);

// A value with a comma, a colon or a line break becomes a JSON string, others stay.
std::string quote_infotext_value(std::string_view value);

}  // namespace easel
