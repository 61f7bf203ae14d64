#include "easel/image/infotext.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "easel/base/text.h"

namespace easel {
namespace {

constexpr std::string_view kNegativePrompt = "Negative prompt:";
constexpr size_t kFewestFields = 3;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// \w of Python's re; every character outside ASCII counts as a letter.
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_key(char c) { return is_word(c) || c == ' ' || c == '-' || c == '/'; }

// Where the string that starts at `at` with a quote ends, if a comma or the end of the line follows.
std::optional<size_t> end_of_quoted(std::string_view line, size_t at) {
  size_t i = at + 1;
  while (i < line.size() && line[i] != '"') i += line[i] == '\\' ? 2 : 1;
  if (i >= line.size() || i == at + 1) return std::nullopt;  // open, or empty
  if (i + 1 < line.size() && line[i + 1] != ',') return std::nullopt;
  return i + 1;
}

// All matches of  \s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)  in time linear in the length of the line.
std::vector<InfotextField> find_fields(std::string_view line) {
  std::vector<InfotextField> fields;
  size_t at = 0;
  while (at < line.size()) {
    if (!is_word(line[at])) {
      ++at;
      continue;
    }
    const auto key_end = static_cast<size_t>(
        std::find_if_not(line.begin() + static_cast<ptrdiff_t>(at), line.end(), is_key) - line.begin());
    if (key_end == line.size() || line[key_end] != ':' || key_end - at < 2) {
      at = key_end;
      continue;
    }
    size_t value_begin = key_end + 1;
    while (value_begin < line.size() && is_space(line[value_begin])) ++value_begin;
    std::optional<size_t> value_end;
    if (value_begin < line.size() && line[value_begin] == '"') value_end = end_of_quoted(line, value_begin);
    if (!value_end) value_end = std::min(line.find(',', value_begin), line.size());
    fields.push_back(
        {std::string(line.substr(at, key_end - at)), std::string(line.substr(value_begin, *value_end - value_begin))});
    at = *value_end + 1;
  }
  return fields;
}

// A JSON string without its quotes; what is none stays as it is.
std::string unquoted(const std::string& value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return value;
  const nlohmann::json parsed = nlohmann::json::parse(value, nullptr, /*allow_exceptions=*/false);
  return parsed.is_string() ? parsed.get<std::string>() : value;
}

void set_field(std::vector<InfotextField>& fields, const std::string& key, const std::string& value) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const InfotextField& f) { return f.key == key; });
  if (found != fields.end()) {
    found->value = value;
  } else {
    fields.push_back({key, value});
  }
}

bool is_number(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_digit); }

void add_field(std::vector<InfotextField>& fields, const InfotextField& raw) {
  if (raw.value.empty()) return;
  const std::string value = unquoted(raw.value);
  const size_t cross = value.find('x');
  if (cross != std::string::npos && is_number(value.substr(0, cross)) && is_number(value.substr(cross + 1))) {
    set_field(fields, raw.key + "-1", value.substr(0, cross));
    set_field(fields, raw.key + "-2", value.substr(cross + 1));
  } else {
    set_field(fields, raw.key, value);
  }
}

void append_line(std::string& text, std::string_view line) {
  if (!text.empty()) text += '\n';
  text += line;
}

}  // namespace

std::optional<std::string> Infotext::find(std::string_view key) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const InfotextField& f) { return f.key == key; });
  if (found == fields.end()) return std::nullopt;
  return found->value;
}

Infotext parse_infotext(std::string_view text) {
  Infotext out;
  std::vector<std::string> lines = split(trim(text), '\n');
  if (const std::vector<InfotextField> fields = find_fields(lines.back()); fields.size() >= kFewestFields) {
    for (const InfotextField& field : fields) add_field(out.fields, field);
    lines.pop_back();
  }
  bool negative = false;
  for (const std::string& raw_line : lines) {
    std::string line = trim(raw_line);
    if (line.starts_with(kNegativePrompt)) {
      negative = true;
      line = trim(std::string_view(line).substr(kNegativePrompt.size()));
    }
    append_line(negative ? out.negative_prompt : out.prompt, line);
  }
  return out;
}

std::string write_infotext(const Infotext& infotext) {
  std::string out = infotext.prompt;
  if (!infotext.negative_prompt.empty()) out += fmt::format("\n{} {}", kNegativePrompt, infotext.negative_prompt);
  std::string_view separator = "\n";
  for (const InfotextField& field : infotext.fields) {
    out += fmt::format("{}{}: {}", separator, field.key, quote_infotext_value(field.value));
    separator = ", ";
  }
  return trim(out);
}

std::string quote_infotext_value(std::string_view value) {
  if (value.find_first_of(",\n:") == std::string_view::npos) return std::string(value);
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace easel
