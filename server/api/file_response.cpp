#include "server/api/file_response.h"

#include "easel/base/base64.h"
#include "easel/base/file.h"

namespace easel::server {

HttpResponse bytes_response(std::string content_type, std::span<const std::byte> bytes) {
  return {.content_type = std::move(content_type),
          .body = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
}

std::string read_base64(const std::filesystem::path& file) { return to_base64(MappedFile::open(file)->bytes()); }

HttpResponse image_file_response(const std::filesystem::path& file) {
  HttpResponse response = bytes_response("image/png", MappedFile::open(file)->bytes());
  response.headers = {{"Cache-Control", "private, max-age=31536000, immutable"}};
  return response;
}

}  // namespace easel::server
