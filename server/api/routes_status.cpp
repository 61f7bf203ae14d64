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

HttpResponse metrics(const Services& services, const HttpCounts& http) {
  const WorkerCounts counts = services.worker.counts();
  Metrics out;
  out.counter("easel_jobs_done_total", "Jobs that ended well.", static_cast<double>(counts.done));
  out.counter("easel_jobs_failed_total", "Jobs that failed.", static_cast<double>(counts.failed));
  out.counter("easel_jobs_cancelled_total", "Jobs cancelled while they ran.", static_cast<double>(counts.cancelled));
  out.counter("easel_images_total", "Images of jobs that ended well.", static_cast<double>(counts.images));
  out.counter("easel_network_steps_total", "Denoising steps.", static_cast<double>(counts.network_steps));
  out.counter("easel_busy_seconds_total", "Time in which a job ran.", counts.busy_seconds);
  out.gauge("easel_jobs_waiting", "Jobs in the queue.", static_cast<double>(services.queue.waiting_count()));
  out.gauge("easel_jobs_running", "1 while a job runs.", services.queue.running() ? 1 : 0);
  out.gauge("easel_model_loaded", "1 while a model is in memory.", services.worker.loaded_model() ? 1 : 0);
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
    const nlohmann::ordered_json json{{"status", services.queue.is_closed() ? "stopping" : "ok"},
                                      {"version", program_version()}};
    return {.status = services.queue.is_closed() ? 503 : 200, .body = json.dump()};
  });
  router.get("/api/v1/metrics", [services, http_counts = std::move(http_counts)](const HttpRequest&) {
    return metrics(services, http_counts());
  });
}

}  // namespace easel::server
