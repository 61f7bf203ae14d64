#include <algorithm>
#include <nlohmann/json.hpp>

#include "easel/base/system.h"
#include "server/a1111/routes.h"
#include "server/device_memory.h"

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

HttpResponse json_response(const Json& json) {
  return {.body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Json settings_json(const SettingsValues& values) {
  return {{"sd_model_checkpoint", values.model.filename().string()},
          {"sd_checkpoint_hash", ""},
          {"sd_vae", values.vae.empty() ? "Automatic" : values.vae.filename().string()},
          {"CLIP_stop_at_last_layers", values.clip_skip},
          {"randn_source", values.random_numbers},
          {"samples_format", "png"},
          {"eta_noise_seed_delta", 0}};
}

HttpResponse change(const Services& services, A1111Settings& settings, const HttpRequest& request) {
  Fields fields = Fields::parse(request.body);
  std::vector<std::string> warnings;
  const SettingsValues before = settings.values();
  const SettingsValues values = settings.changed(before, fields, warnings);
  settings.set(values);
  if (values.model != before.model) services.workers.request_load(values.model);
  return json_response(warnings.empty() ? Json(nullptr) : Json{{"warnings", warnings}});
}

Json amounts_json(uint64_t free, uint64_t total) {
  return {{"free", free}, {"used", total - std::min(free, total)}, {"total", total}};
}

// "system": of all cards that draw together, where A1111 tells of its one.
Json cards_json(const std::vector<DeviceInfo>& cards) {
  if (cards.empty()) return {{"error", "the arithmetic runs on the processor"}};
  uint64_t free = 0, total = 0;
  Json each = Json::array();
  for (const DeviceInfo& card : cards) {
    free += card.free_bytes;
    total += card.total_bytes;
    Json json{{"device", card.name}};
    json.update(amounts_json(card.free_bytes, card.total_bytes));
    each.push_back(std::move(json));
  }
  return {{"system", amounts_json(free, total)}, {"devices", std::move(each)}};
}

Json memory_json(const Services& services) {
  const MemoryInfo memory = memory_info();
  std::vector<DeviceInfo> cards = infos_of(services.workers.status());
  std::erase_if(cards, [](const DeviceInfo& device) { return device.name == "cpu"; });
  return {{"ram", {{"free", memory.available_bytes}, {"used", resident_bytes()}, {"total", memory.total_bytes}}},
          {"cuda", cards_json(cards)}};
}

}  // namespace

void add_a1111_settings_routes(Router& router, const Services& services, const SharedSettings& settings) {
  router.get("/sdapi/v1/options",
             [settings](const HttpRequest&) { return json_response(settings_json(settings->values())); });
  router.post("/sdapi/v1/options",
              [services, settings](const HttpRequest& request) { return change(services, *settings, request); });
  router.get("/sdapi/v1/memory", [services](const HttpRequest&) { return json_response(memory_json(services)); });
  router.get("/sdapi/v1/cmd-flags", [services](const HttpRequest&) {
    return json_response({{"api", true}, {"ckpt", services.models.default_model().filename().string()}});
  });
  // The list of models is read afresh at every look.
  router.post("/sdapi/v1/refresh-checkpoints", [](const HttpRequest&) { return json_response(nullptr); });
  router.post("/sdapi/v1/unload-checkpoint", [services](const HttpRequest&) {
    services.workers.request_unload();
    return json_response(Json::object());
  });
  router.post("/sdapi/v1/reload-checkpoint", [services, settings](const HttpRequest&) {
    services.workers.request_load(settings->values().model);
    return json_response(Json::object());
  });
}

}  // namespace easel::server
