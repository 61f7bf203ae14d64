#include "server/json/fields.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "easel/base/text.h"
#include "server/errors.h"

namespace easel::server {
namespace {

using Json = nlohmann::json;

constexpr size_t kShownBytes = 60;

std::string dumped(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

[[noreturn]] void refuse(const std::string& field, const Json& value, std::string_view expected,
                         const std::string& kind) {
  std::string found = value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  if (found.size() > kShownBytes) found = found.substr(0, kShownBytes - 3) + "...";
  throw FieldError(field, kind, fmt::format("\"{}\" is {}, expected {}", field, found, expected));
}

// 20.0 is an integer to many clients.
bool is_whole(const Json& value) {
  return value.is_number_integer() ||
         (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
}

// Refuses while parsing, before the values take memory.
class Limits {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& value) {
    if (depth > kMaxJsonDepth) {
      throw Error(ErrorCode::invalid_request, "the JSON is nested deeper than {} levels", kMaxJsonDepth);
    }
    if (++values_ > kMaxJsonValues) {
      throw Error(ErrorCode::invalid_request, "the JSON holds more than {} values", kMaxJsonValues);
    }
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key && !keys_.back().insert(value.get<std::string>()).second) {
      throw Error(ErrorCode::invalid_request, "the key \"{}\" is given twice", value.get<std::string>());
    }
    return true;
  }

 private:
  int64_t values_ = 0;
  std::vector<std::set<std::string>> keys_;
};

Json parse_limited(std::string_view text) {
  try {
    Limits limits;
    return Json::parse(
        text, [&](int depth, Json::parse_event_t event, const Json& value) { return limits(depth, event, value); });
  } catch (const Json::exception& fault) {
    throw Error(ErrorCode::invalid_request, "not valid JSON: {}", fault.what());
  }
}

}  // namespace

struct Fields::Content {
  Json object;
  std::string path;  // "override_settings." of a nested one
  std::set<std::string> read;

  // nullptr: left open
  const Json* find(const std::string& key) {
    read.insert(key);
    const auto at = object.find(key);
    return at == object.end() || at->is_null() ? nullptr : &*at;
  }
};

Fields::Fields(std::unique_ptr<Content> content) : content_(std::move(content)) {}
Fields::Fields(Fields&&) noexcept = default;
Fields& Fields::operator=(Fields&&) noexcept = default;
Fields::~Fields() = default;

Fields Fields::parse(std::string_view json) {
  Json object = parse_limited(json);
  if (!object.is_object()) {
    throw Error(ErrorCode::invalid_request, "the body is no JSON object; expected {{\"prompt\": ...}} or the like");
  }
  return Fields(std::make_unique<Content>(Content{.object = std::move(object), .path = "", .read = {}}));
}

std::optional<std::string> Fields::text(const std::string& key) {
  const Json* value = content_->find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse(content_->path + key, *value, "a string", "type_error.str");
  return value->get<std::string>();
}

std::string Fields::required_text(const std::string& key) {
  if (auto value = text(key)) return *value;
  const std::string field = content_->path + key;
  throw FieldError(field, "value_error.missing", fmt::format("\"{}\" is missing", field));
}

std::optional<bool> Fields::flag(const std::string& key) {
  const Json* value = content_->find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) refuse(content_->path + key, *value, "true or false", "type_error.bool");
  return value->get<bool>();
}

std::optional<bool> Fields::truth(const std::string& key) {
  const Json* value = content_->find(key);
  if (value == nullptr || value->is_boolean()) return flag(key);
  return integer(key, {0, 1}) == 1;
}

std::optional<int64_t> Fields::integer(const std::string& key, Range<int64_t> range) {
  const Json* value = content_->find(key);
  if (value == nullptr) return std::nullopt;
  const std::string expected = fmt::format("an integer from {} to {}", range.low, range.high);
  const std::string field = content_->path + key;
  if (!is_whole(*value)) refuse(field, *value, expected, "type_error.integer");
  const auto magnitude = value->get<double>();  // beyond 64 bits too
  const bool is_near = magnitude >= static_cast<double>(range.low) && magnitude <= static_cast<double>(range.high);
  if (!is_near || value->get<int64_t>() < range.low || value->get<int64_t>() > range.high) {
    refuse(field, *value, expected, "value_error.number.not_in_range");
  }
  return value->get<int64_t>();
}

std::optional<uint64_t> Fields::unsigned_integer(const std::string& key) {
  const Json* value = content_->find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_unsigned()) {
    refuse(content_->path + key, *value, "an integer from 0 to 18446744073709551615", "type_error.integer");
  }
  return value->get<uint64_t>();
}

std::optional<double> Fields::number(const std::string& key, Range<double> range) {
  const Json* value = content_->find(key);
  if (value == nullptr) return std::nullopt;
  const std::string expected = fmt::format("a number from {} to {}", range.low, range.high);
  if (!value->is_number()) refuse(content_->path + key, *value, expected, "type_error.float");
  const auto number = value->get<double>();
  if (!(number >= range.low && number <= range.high)) {
    refuse(content_->path + key, *value, expected, "value_error.number.not_in_range");
  }
  return number;
}

std::vector<std::string> Fields::texts(const std::string& key) {
  const Json* value = content_->find(key);
  if (value == nullptr) return {};
  const auto is_text = [](const Json& item) { return item.is_string(); };
  if (!value->is_array() || !std::all_of(value->begin(), value->end(), is_text)) {
    refuse(content_->path + key, *value, "an array of strings", "type_error.list");
  }
  return value->get<std::vector<std::string>>();
}

std::optional<Fields> Fields::object(const std::string& key) {
  const Json* value = content_->find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) refuse(content_->path + key, *value, "an object", "type_error.dict");
  return Fields(std::make_unique<Content>(Content{.object = *value, .path = content_->path + key + ".", .read = {}}));
}

bool Fields::has(const std::string& key) const {
  const auto at = content_->object.find(key);
  return at != content_->object.end() && !at->is_null();
}

bool Fields::is_blank(const std::string& key) const {
  if (!has(key)) return true;
  const Json& value = content_->object.at(key);
  if (value.is_number()) return value.get<double>() == 0.0;
  if (value.is_boolean()) return !value.get<bool>();
  return value.empty() || value == "";
}

std::vector<Fields> Fields::objects(const std::string& key) {
  const Json* value = content_->find(key);
  std::vector<Fields> out;
  if (value == nullptr) return out;
  const auto is_object = [](const Json& item) { return item.is_object(); };
  if (!value->is_array() || !std::all_of(value->begin(), value->end(), is_object)) {
    refuse(content_->path + key, *value, "an array of objects", "type_error.list");
  }
  for (const Json& item : *value) {
    out.push_back(
        Fields(std::make_unique<Content>(Content{.object = item, .path = content_->path + key + ".", .read = {}})));
  }
  return out;
}

std::vector<std::string> Fields::unread() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : content_->object.items()) {
    if (!value.is_null() && !content_->read.contains(key)) keys.push_back(key);
  }
  return keys;
}

std::string Fields::json() const { return dumped(content_->object); }

std::string Fields::json_without(std::initializer_list<const char*> keys) const {
  Json rest = content_->object;
  for (const char* key : keys) rest.erase(key);
  return dumped(rest);
}

}  // namespace easel::server
