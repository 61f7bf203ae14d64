#include <array>
#include <nlohmann/json.hpp>

#include "easel/pipeline/adapters.h"
#include "easel/pipeline/embedding_list.h"
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

Json upscaler_json(std::string_view name, const Json& model_name, const Json& path, int64_t scale) {
  return {{"name", name}, {"model_name", model_name}, {"model_path", path}, {"model_url", nullptr}, {"scale", scale}};
}

Json upscalers(const Services& services) {
  constexpr int64_t kScaleOfResizers = 4;  // as A1111 says
  Json list = Json::array();
  for (const std::string_view name : resizer_names()) {
    list.push_back(upscaler_json(name, nullptr, nullptr, kScaleOfResizers));
  }
  for (const UpscalerEntry& entry : services.models.list_upscalers()) {
    if (entry.file.empty()) continue;
    list.push_back(upscaler_json(entry.name(), entry.name(), entry.file.string(), entry.scale));
  }
  return list;
}

Json realesrgan_models(const Services& services) {
  Json list = Json::array();
  for (const UpscalerEntry& entry : services.models.list_upscalers()) {
    if (entry.kind != UpscalerKind::network) continue;
    list.push_back({{"name", entry.name()}, {"path", entry.file.string()}, {"scale", entry.scale}});
  }
  return list;
}

Json vaes(const Services& services) {
  Json list = Json::array();
  for (const ModelEntry& entry : services.models.list_vaes()) {
    list.push_back({{"model_name", entry.title()}, {"filename", entry.file.string()}});
  }
  return list;
}

Json loras(const Services& /*services*/) {
  Json list = Json::array();
  for (const AdapterFile& file : list_adapters(AdapterKind::lora)) {
    list.push_back(
        {{"name", file.name}, {"alias", file.name}, {"path", file.path.string()}, {"metadata", Json::object()}});
  }
  return list;
}

Json item_json(const EmbeddingEntry& embedding) {
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  return {{"step", or_null(embedding.step)},
          {"sd_checkpoint", or_null(embedding.sd_checkpoint)},
          {"sd_checkpoint_name", or_null(embedding.sd_checkpoint_name)},
          {"shape", embedding.width},
          {"vectors", embedding.vectors}};
}

// Those that the chosen model can take, and the others.
Json embeddings(const Services& services, const A1111Settings& settings) {
  const std::optional<int64_t> width = services.models.use_of(settings.values().model).prompt_width;
  Json loaded = Json::object(), skipped = Json::object();
  for (const EmbeddingEntry& embedding : list_embeddings()) {
    const bool fits = !width || *width == embedding.width;
    (fits ? loaded : skipped)[embedding.name] = item_json(embedding);
  }
  return {{"loaded", std::move(loaded)}, {"skipped", std::move(skipped)}};
}

void add_list(Router& router, const char* path, const Json& content) {
  router.get(path, [response = json_response(content)](const HttpRequest&) { return response; });
}

}  // namespace

void add_a1111_list_routes(Router& router, const Services& services, const SharedSettings& settings) {
  add_list(router, "/sdapi/v1/samplers", samplers());
  add_list(router, "/sdapi/v1/schedulers", schedulers());
  const auto add = [&](const char* path, Json (*list)(const Services&)) {
    router.get(path, [services, list](const HttpRequest&) { return json_response(list(services)); });
  };
  add("/sdapi/v1/sd-models", models);
  add("/sdapi/v1/sd-vae", vaes);
  add("/sdapi/v1/upscalers", upscalers);
  add("/sdapi/v1/realesrgan-models", realesrgan_models);
  add("/sdapi/v1/loras", loras);
  // What this program has none of.
  constexpr std::array kEmpty = {"/sdapi/v1/hypernetworks", "/sdapi/v1/face-restorers", "/sdapi/v1/prompt-styles",
                                 "/sdapi/v1/script-info"};
  for (const char* path : kEmpty) add_list(router, path, Json::array());
  add_list(router, "/sdapi/v1/latent-upscale-modes", Json::array({{{"name", "Latent"}}}));
  router.get("/sdapi/v1/embeddings",
             [services, settings](const HttpRequest&) { return json_response(embeddings(services, *settings)); });
  add_list(router, "/sdapi/v1/scripts", {{"txt2img", Json::array()}, {"img2img", Json::array()}});
}

}  // namespace easel::server
