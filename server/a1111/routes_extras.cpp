#include <nlohmann/json.hpp>

#include "easel/image/codec.h"
#include "easel/image/infotext.h"
#include "server/a1111/extras.h"
#include "server/a1111/routes.h"
#include "server/api/image_info.h"
#include "server/http/image_text.h"

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

HttpResponse json_response(const Json& json) {
  return {.body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

std::string enlarged(const std::string& field, const std::string& text, const ResizeOrder& order) {
  const Image image = decode_image(image_bytes_from_text(field, text), field).image;
  return base64_image(resized(image, order));
}

HttpResponse enlarge_one(const HttpRequest& request) {
  Fields fields = Fields::parse(request.body);
  const std::string image = fields.required_text("image");
  const ResizeOrder order = parse_resize(fields);
  return json_response(
      {{"html_info", fmt::format("{}", fmt::join(order.warnings, "; "))}, {"image", enlarged("image", image, order)}});
}

HttpResponse enlarge_several(const HttpRequest& request) {
  Fields fields = Fields::parse(request.body);
  std::vector<Fields> list = fields.objects("imageList");
  const ResizeOrder order = parse_resize(fields);
  Json images = Json::array();
  for (Fields& entry : list) images.push_back(enlarged("imageList.data", entry.required_text("data"), order));
  return json_response({{"html_info", fmt::format("{}", fmt::join(order.warnings, "; "))}, {"images", images}});
}

HttpResponse png_info(const HttpRequest& request) {
  Fields fields = Fields::parse(request.body);
  const ImageInfo info = inspect_image(image_bytes_from_text("image", fields.required_text("image")));
  const std::string text = info.parameters.value_or("");
  Json parameters = Json::object();
  if (info.parameters) {
    const Infotext parsed = parse_infotext(text);
    parameters["Prompt"] = parsed.prompt;
    parameters["Negative prompt"] = parsed.negative_prompt;
    for (const InfotextField& field : parsed.fields) parameters[field.key] = field.value;
  }
  Json items = Json::object();
  if (info.parameters) items["parameters"] = text;
  return json_response({{"info", text}, {"items", std::move(items)}, {"parameters", std::move(parameters)}});
}

}  // namespace

void add_a1111_extras_routes(Router& router) {
  router.post("/sdapi/v1/png-info", png_info);
  router.post("/sdapi/v1/extra-single-image", enlarge_one);
  router.post("/sdapi/v1/extra-batch-images", enlarge_several);
}

}  // namespace easel::server
