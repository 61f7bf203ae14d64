// Fields: a JSON object that clients sent, read strictly and with limits. What is missing or null is left open; what is
// wrong throws a FieldError that names the field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace easel::server {

inline constexpr int kMaxJsonDepth = 16;
inline constexpr int64_t kMaxJsonValues = 20'000;

template <typename T>
struct Range {
  T low;
  T high;
};

class Fields {
 public:
  // Throws Error invalid_request: no JSON, no object, too deep, too many values, a key given twice.
  static Fields parse(std::string_view json);
  Fields(Fields&&) noexcept;
  Fields& operator=(Fields&&) noexcept;
  ~Fields();

  std::optional<std::string> text(const std::string& key);
  std::optional<bool> flag(const std::string& key);
  std::optional<bool> truth(const std::string& key);  // also as 0 or 1
  std::optional<int64_t> integer(const std::string& key, Range<int64_t> range);
  std::optional<uint64_t> unsigned_integer(const std::string& key);
  std::optional<double> number(const std::string& key, Range<double> range);
  std::vector<std::string> texts(const std::string& key);
  std::optional<Fields> object(const std::string& key);
  std::vector<Fields> objects(const std::string& key);
  // A field that must be there.
  std::string required_text(const std::string& key);

  bool has(const std::string& key) const;  // and it is not null
  // A field with nothing in it: false, 0, "", [] or {}.
  bool is_blank(const std::string& key) const;
  // Fields that are there and were not read, in alphabetical order.
  std::vector<std::string> unread() const;

  std::string json() const;  // all of it, as text
  std::string json_without(std::initializer_list<const char*> keys) const;

 private:
  struct Content;
  explicit Fields(std::unique_ptr<Content> content);

  std::unique_ptr<Content> content_;
};

}  // namespace easel::server
