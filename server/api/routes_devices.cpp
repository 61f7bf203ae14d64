#include <nlohmann/json.hpp>

#include "server/api/routes.h"
#include "server/device_memory.h"

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

const char* state_of(const WorkerStatus& worker) {
  if (worker.lost_because) return "lost";
  return worker.job ? "drawing" : "idle";
}

Json to_json(const WorkerStatus& worker, const DeviceInfo& device) {
  Json json{{"name", worker.device},           {"title", device.title},
            {"details", device.details},       {"total_bytes", device.total_bytes},
            {"free_bytes", device.free_bytes}, {"state", state_of(worker)}};
  json["job"] = worker.job ? Json(*worker.job) : Json(nullptr);
  json["model"] = worker.model ? Json(worker.model->name) : Json(nullptr);
  json["jobs_done"] = worker.counts.done;
  json["jobs_failed"] = worker.counts.failed;
  json["error"] = worker.lost_because ? Json(*worker.lost_because) : Json(nullptr);
  return json;
}

HttpResponse devices(const Services& services) {
  const std::vector<WorkerStatus> workers = services.workers.status();
  const std::vector<DeviceInfo> infos = infos_of(workers);
  Json list = Json::array();
  for (size_t i = 0; i < workers.size(); ++i) list.push_back(to_json(workers[i], infos[i]));
  return {.body = Json{{"devices", std::move(list)}}.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

}  // namespace

void add_device_routes(Router& router, const Services& services) {
  router.get("/api/v1/devices", [services](const HttpRequest&) { return devices(services); });
}

}  // namespace easel::server
