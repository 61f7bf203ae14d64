#include <nlohmann/json.hpp>

#include "easel/base/base64.h"
#include "server/api/file_response.h"
#include "server/api/job_json.h"
#include "server/openai/image_order.h"
#include "server/openai/routes.h"
#include "server/sync_job.h"

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string type_of_error(int status) {
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

HttpResponse openai_error(const Fault& fault) {
  const Json body{{"error",
                   {{"message", fault.message},
                    {"type", type_of_error(fault.status)},
                    {"param", fault.field ? Json(*fault.field) : Json(nullptr)},
                    {"code", fault.code}}}};
  return {.status = fault.status, .body = dumped(body)};
}

std::string encoded_image(const StoredImage& image, EncodeOptions encoding) {
  if (encoding.format == ImageFormat::png) return read_base64(image.file);
  encoding.parameters = image.parameters;
  return to_base64(encode_image(load_image(image.file).image, encoding));
}

// origin: "http://127.0.0.1:7860", as the client addressed the server
HttpResponse respond(const Job& job, const ImageOrder& order, const std::string& origin) {
  require_done(job);
  Json data = Json::array();
  for (const StoredImage& image : job.images) {
    Json entry;
    if (order.wants_url) {
      entry["url"] = origin + image_path(image.id);
    } else {
      entry["b64_json"] = encoded_image(image, order.encoding);
    }
    entry["revised_prompt"] = image.prompt;
    entry["seed"] = image.seed;
    data.push_back(std::move(entry));
  }
  Json body{{"created", job.created.time_since_epoch().count() / 1000}, {"data", std::move(data)}};
  std::vector<std::string> warnings = order.warnings;
  warnings.insert(warnings.end(), job.warnings.begin(), job.warnings.end());
  if (!warnings.empty()) body["warnings"] = warnings;
  return {.body = dumped(body)};
}

void answer_order(const Services& services, const HttpRequest& request, ImageOrder order, const Answer& answer) {
  const JobOrder job = std::move(order.job);
  order.job = {};  // its images are not needed for the answer
  answer_with_job(services, job, answer, [order, origin = "http://" + request.header("host")](const Job& ended) {
    return respond(ended, order, origin);
  });
}

void generate(const Services& services, const HttpRequest& request, const Answer& answer) {
  Fields fields = Fields::parse(request.body);
  answer_order(services, request, parse_generation(fields, services.models), answer);
}

void edit(const Services& services, const HttpRequest& request, const Answer& answer) {
  const Form form = parse_form(request.header("content-type"), request.body);
  answer_order(services, request, parse_edit(form, services.models), answer);
}

void vary(const Services& services, const HttpRequest& request, const Answer& answer) {
  const Form form = parse_form(request.header("content-type"), request.body);
  answer_order(services, request, parse_variation(form, services.models), answer);
}

Json model_json(const ModelEntry& entry) {
  return {{"id", entry.name()}, {"object", "model"}, {"created", 0}, {"owned_by", "local"}};
}

HttpResponse models(const Services& services) {
  Json list = Json::array();
  for (const ModelEntry& entry : services.models.list()) list.push_back(model_json(entry));
  return {.body = dumped({{"object", "list"}, {"data", std::move(list)}})};
}

HttpResponse model(const Services& services, const std::string& name) {
  const auto file = services.models.resolve(name);
  return {.body = dumped(model_json({file, 0, false}))};
}

}  // namespace

void add_openai_routes(Router& router, const Services& services) {
  router.set_error_shape("/v1", openai_error);
  const auto add = [&](const char* path, auto* draw) {
    router.post_async(
        path, [services, draw](const HttpRequest& request, const Answer& answer) { draw(services, request, answer); });
  };
  add("/v1/images/generations", generate);
  add("/v1/images/edits", edit);
  add("/v1/images/variations", vary);
  router.get("/v1/models", [services](const HttpRequest&) { return models(services); });
  router.get("/v1/models/{model}",
             [services](const HttpRequest& request) { return model(services, request.captures.at(0)); });
}

}  // namespace easel::server
