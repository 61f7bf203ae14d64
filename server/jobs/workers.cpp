#include "server/jobs/workers.h"

#include "easel/pipeline/drawing_devices.h"

namespace easel::server {

// All have their places before the first of them may be lost.
Workers::Workers(JobQueue& queue, JobStore& store, const WorkerOptions& options) : queue_(queue) {
  const std::vector<std::string> devices = drawing_devices(options.pipeline);
  std::vector<size_t> numbers;
  for (const std::string& device : devices) numbers.push_back(queue.add_worker(device));
  WorkerOptions own = options;
  for (size_t i = 0; i < devices.size(); ++i) {
    own.pipeline.device = devices[i];
    workers_.push_back(std::make_unique<Worker>(queue, numbers[i], store, own));
  }
}

// The queue first: no worker is to begin another job while this one waits for the one before it.
void Workers::stop() {
  queue_.close();
  for (const auto& worker : workers_) worker->stop();
}

std::vector<WorkerStatus> Workers::status() const {
  std::vector<WorkerStatus> all;
  for (const auto& worker : workers_) all.push_back(worker->status());
  return all;
}

WorkerCounts Workers::counts() const {
  WorkerCounts sum;
  for (const WorkerStatus& status : status()) {
    sum.done += status.counts.done;
    sum.failed += status.counts.failed;
    sum.cancelled += status.counts.cancelled;
    sum.images += status.counts.images;
    sum.network_steps += status.counts.network_steps;
    sum.busy_seconds += status.counts.busy_seconds;
  }
  return sum;
}

void Workers::request_unload() {
  for (const auto& worker : workers_) worker->request_unload();
}

void Workers::request_load(const std::filesystem::path& model) {
  for (const auto& worker : workers_) worker->request_load(model);
}

}  // namespace easel::server
