#include <nlohmann/json.hpp>

#include "easel/base/system.h"
#include "server/api/routes.h"

namespace easel::server {
namespace {

// Prometheus' text format 0.0.4.
class Metrics {
 public:
  void counter(const char* name, const char* help, double value) { add(name, help, "counter", value); }
  void gauge(const char* name, const char* help, double value) { add(name, help, "gauge", value); }
  std::string text() const { return text_; }

 private:
  void add(const char* name, const char* help, const char* type, double value) {
    text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
  }

  std::string text_;
};

struct DeviceCounts {
  double drawing = 0, lost = 0, with_model = 0;
};

DeviceCounts count_devices(const Services& services) {
  DeviceCounts counts;
  for (const WorkerStatus& worker : services.workers.status()) {
    (worker.lost_because ? counts.lost : counts.drawing) += 1;
    if (worker.model) counts.with_model += 1;
  }
  return counts;
}

HttpResponse metrics(const Services& services, const HttpCounts& http) {
  const WorkerCounts counts = services.workers.counts();
  const DeviceCounts devices = count_devices(services);
  Metrics out;
  out.counter("easel_jobs_done_total", "Jobs that ended well.", static_cast<double>(counts.done));
  out.counter("easel_jobs_failed_total", "Jobs that failed.", static_cast<double>(counts.failed));
  out.counter("easel_jobs_cancelled_total", "Jobs cancelled while they ran.", static_cast<double>(counts.cancelled));
  out.counter("easel_images_total", "Images of jobs that ended well.", static_cast<double>(counts.images));
  out.counter("easel_network_steps_total", "Denoising steps.", static_cast<double>(counts.network_steps));
  out.counter("easel_busy_seconds_total", "Time in which jobs ran, of all devices together.", counts.busy_seconds);
  out.gauge("easel_jobs_waiting", "Jobs in the queue.", static_cast<double>(services.queue.waiting_count()));
  out.gauge("easel_jobs_running", "Jobs that run.", static_cast<double>(services.queue.running().size()));
  out.gauge("easel_model_loaded", "Devices with a model in memory.", devices.with_model);
  out.gauge("easel_devices", "Devices that draw.", devices.drawing);
  out.gauge("easel_devices_idle", "Devices that wait for a job.",
            static_cast<double>(services.queue.idle_worker_count()));
  out.gauge("easel_devices_lost", "Devices that draw no more.", devices.lost);
  out.gauge("easel_gallery_images", "Images on disk.", static_cast<double>(services.store.image_count()));
  out.gauge("easel_resident_bytes", "Memory of the process.", static_cast<double>(resident_bytes()));
  out.counter("easel_http_requests_total", "Requests begun.", static_cast<double>(http.requests));
  out.gauge("easel_http_connections", "Open connections.", static_cast<double>(http.open_connections));
  out.counter("easel_http_refused_connections_total", "Connections beyond the limit.",
              static_cast<double>(http.refused_connections));
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = out.text()};
}

}  // namespace

void add_status_routes(Router& router, const Services& services, std::function<HttpCounts()> http_counts) {
  router.get("/api/v1/health", [services](const HttpRequest&) -> HttpResponse {
    const bool is_well = !services.queue.is_closed() && services.queue.has_workers();
    const char* const trouble = services.queue.is_closed() ? "stopping" : "no device";
    const nlohmann::ordered_json json{{"status", is_well ? "ok" : trouble}, {"version", program_version()}};
    return {.status = is_well ? 200 : 503, .body = json.dump()};
  });
  router.get("/api/v1/metrics", [services, http_counts = std::move(http_counts)](const HttpRequest&) {
    return metrics(services, http_counts());
  });
}

}  // namespace easel::server
