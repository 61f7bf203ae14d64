#include <array>
#include <nlohmann/json.hpp>

#include "server/a1111/extras.h"
#include "server/a1111/routes.h"
#include "server/a1111/sampler_names.h"

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

HttpResponse json_response(const Json& json) {
  return {.body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Json samplers() {
  Json list = Json::array();
  for (const A1111Sampler& sampler : a1111_samplers()) {
    Json options = Json::object();
    if (!sampler.automatic.empty()) options["scheduler"] = sampler.automatic;
    list.push_back({{"name", sampler.label}, {"aliases", {sampler.alias}}, {"options", std::move(options)}});
  }
  return list;
}

Json schedulers() {
  Json list = Json::array();
  for (const A1111Scheduler& scheduler : a1111_schedulers()) {
    list.push_back({{"name", scheduler.name},
                    {"label", scheduler.label},
                    {"aliases", nullptr},
                    {"default_rho", -1.0},
                    {"need_inner_model", false}});
  }
  return list;
}

Json models(const Services& services) {
  Json list = Json::array();
  for (const ModelEntry& entry : services.models.list()) {
    list.push_back({{"title", entry.title()},
                    {"model_name", entry.name()},
                    {"hash", nullptr},
                    {"sha256", nullptr},
                    {"filename", entry.file.string()},
                    {"config", nullptr}});
  }
  return list;
}

Json upscalers() {
  Json list = Json::array();
  for (const std::string_view name : upscaler_names()) {
    list.push_back(
        {{"name", name}, {"model_name", nullptr}, {"model_path", nullptr}, {"model_url", nullptr}, {"scale", 4}});
  }
  return list;
}

void add_list(Router& router, const char* path, const Json& content) {
  router.get(path, [response = json_response(content)](const HttpRequest&) { return response; });
}

}  // namespace

void add_a1111_list_routes(Router& router, const Services& services) {
  add_list(router, "/sdapi/v1/samplers", samplers());
  add_list(router, "/sdapi/v1/schedulers", schedulers());
  add_list(router, "/sdapi/v1/upscalers", upscalers());
  router.get("/sdapi/v1/sd-models", [services](const HttpRequest&) { return json_response(models(services)); });
  // What this program has none of.
  constexpr std::array kEmpty = {"/sdapi/v1/sd-vae",
                                 "/sdapi/v1/loras",
                                 "/sdapi/v1/hypernetworks",
                                 "/sdapi/v1/face-restorers",
                                 "/sdapi/v1/realesrgan-models",
                                 "/sdapi/v1/prompt-styles",
                                 "/sdapi/v1/script-info"};
  for (const char* path : kEmpty) add_list(router, path, Json::array());
  add_list(router, "/sdapi/v1/latent-upscale-modes", Json::array({{{"name", "Latent"}}}));
  add_list(router, "/sdapi/v1/embeddings", {{"loaded", Json::object()}, {"skipped", Json::object()}});
  add_list(router, "/sdapi/v1/scripts", {{"txt2img", Json::array()}, {"img2img", Json::array()}});
}

}  // namespace easel::server
