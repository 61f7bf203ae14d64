#include <algorithm>
#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/pipeline/catalogue.h"
#include "server/api/image_info.h"
#include "server/api/openapi.h"
#include "server/api/routes.h"
#include "server/json/fields.h"

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json to_json(const std::vector<Choice>& choices) {
  Json json = Json::array();
  for (const Choice& choice : choices) {
    json.push_back({{"name", choice.name}, {"aliases", choice.aliases}, {"description", choice.description}});
  }
  return json;
}

Json task_names(const std::vector<Task>& tasks) {
  Json names = Json::array();
  for (const Task task : tasks) names.push_back(name_of(task));
  return names;
}

HttpResponse models(const Services& services) {
  const std::vector<WorkerStatus> workers = services.workers.status();
  Json list = Json::array();
  for (const ModelEntry& entry : services.models.list()) {
    const auto holds_it = [&](const WorkerStatus& worker) {
      return worker.model && worker.model->file == entry.file.string();
    };
    const auto holder = std::find_if(workers.begin(), workers.end(), holds_it);
    const bool is_loaded = holder != workers.end();
    Json model{{"name", entry.name()},
               {"file", entry.title()},
               {"bytes", entry.bytes},
               {"default", entry.is_default},
               {"tasks", task_names(entry.use.tasks)},
               {"loaded", is_loaded}};
    if (is_loaded) {
      model["family"] = holder->model->family;
      model["prediction"] = holder->model->prediction;
    }
    list.push_back(std::move(model));
  }
  return {.body = dumped({{"models", std::move(list)}})};
}

HttpResponse upscalers(const Services& services) {
  Json list = Json::array();
  for (const UpscalerEntry& entry : services.models.list_upscalers()) {
    const bool is_file = !entry.file.empty();
    list.push_back({{"name", entry.name()},
                    {"kind", name_of(entry.kind)},
                    {"scale", is_file ? Json(entry.scale) : Json(nullptr)},
                    {"file", is_file ? Json(entry.title()) : Json(nullptr)},
                    {"bytes", is_file ? Json(entry.bytes) : Json(nullptr)}});
  }
  return {.body = dumped({{"upscalers", std::move(list)}})};
}

HttpResponse vaes(const Services& services) {
  Json list = Json::array();
  for (const ModelEntry& entry : services.models.list_vaes()) {
    list.push_back({{"name", entry.name()}, {"file", entry.title()}, {"bytes", entry.bytes}});
  }
  return {.body = dumped({{"vaes", std::move(list)}})};
}

HttpResponse measure_prompt(const Services& services, const HttpRequest& request) {
  Fields fields = Fields::parse(request.body);
  const PromptLength length = services.prompts.measure(fields.required_text("prompt"));
  return {.body = dumped({{"tokens", length.tokens}, {"limit", length.limit}})};
}

HttpResponse info(const HttpRequest& request) {
  if (request.body.empty()) {
    throw Error(ErrorCode::invalid_request,
                "there is no image; send the bytes of a PNG, JPEG or WebP file as the body");
  }
  return {.body = image_info_json(inspect_image(std::as_bytes(std::span(request.body))))};
}

}  // namespace

void add_catalogue_routes(Router& router, const Services& services) {
  router.get("/api/v1/models", [services](const HttpRequest&) { return models(services); });
  router.get("/api/v1/upscalers", [services](const HttpRequest&) { return upscalers(services); });
  router.get("/api/v1/vaes", [services](const HttpRequest&) { return vaes(services); });
  router.get("/api/v1/samplers", [](const HttpRequest&) -> HttpResponse {
    return {.body = dumped({{"samplers", to_json(list_samplers())}})};
  });
  router.get("/api/v1/schedules", [](const HttpRequest&) -> HttpResponse {
    return {.body = dumped({{"schedules", to_json(list_schedules())}})};
  });
  router.post("/api/v1/tokens", [services](const HttpRequest& request) { return measure_prompt(services, request); });
  router.post("/api/v1/info", info);
  router.get("/api/v1/openapi.json",
             [](const HttpRequest&) -> HttpResponse { return {.body = std::string(openapi_document())}; });
}

}  // namespace easel::server
