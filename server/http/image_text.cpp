#include "server/http/image_text.h"

#include "easel/base/base64.h"
#include "easel/image/codec.h"
#include "server/errors.h"

namespace easel::server {

std::vector<std::byte> image_bytes_from_text(const std::string& field, const std::string& text) {
  if (text.starts_with("http://") || text.starts_with("https://")) {
    throw FieldError(field, "value_error", fmt::format("\"{}\" is a URL; send the image itself in base64", field));
  }
  const size_t comma = text.starts_with("data:") ? text.find(',') : std::string::npos;
  auto bytes = from_base64(std::string_view(text).substr(comma == std::string::npos ? 0 : comma + 1));
  if (bytes && !bytes->empty()) return std::move(*bytes);
  throw FieldError(field, "value_error", fmt::format("\"{}\" is no base64 of an image file", field));
}

std::string base64_image(const Image& image) { return to_base64(encode_image(image)); }

}  // namespace easel::server
