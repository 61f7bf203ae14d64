#include "server/api/image_info.h"

#include <nlohmann/json.hpp>

#include "easel/image/codec.h"
#include "easel/image/infotext.h"
#include "easel/image/metadata.h"

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kUpload = "the image";

std::string name_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::png: return "PNG";
    case ImageFormat::jpeg: return "JPEG";
    case ImageFormat::webp: break;
  }
  return "WebP";
}

Json settings_json(const Infotext& text) {
  Json fields = Json::object();
  for (const InfotextField& field : text.fields) fields[field.key] = field.value;
  return {{"prompt", text.prompt}, {"negative_prompt", text.negative_prompt}, {"fields", std::move(fields)}};
}

}  // namespace

ImageInfo inspect_image(std::span<const std::byte> bytes) {
  const DecodedImage decoded = decode_image(bytes, kUpload);
  return {.format = name_of(decoded.format),
          .size = decoded.image.size(),
          .parameters = generation_parameters(read_image_texts(bytes, kUpload))};
}

std::string image_info_json(const ImageInfo& info) {
  Json json{{"format", info.format}, {"width", info.size.width_px}, {"height", info.size.height_px}};
  json["parameters"] = info.parameters ? Json(*info.parameters) : Json(nullptr);
  json["settings"] = info.parameters ? settings_json(parse_infotext(*info.parameters)) : Json(nullptr);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace easel::server
