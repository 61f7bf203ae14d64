// Workers: one for each device, with one queue for all of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/jobs/worker.h"

namespace easel::server {

class Workers {
 public:
  // options.pipeline.device: of one device, or of several cards, as drawing_devices() reads it. Throws Error
  // invalid_request or device_failure for one that cannot be used.
  Workers(JobQueue& queue, JobStore& store, const WorkerOptions& options);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { stop(); }

  // Closes the queue and waits for the running jobs to end, which takes a step at most.
  void stop();

  std::vector<WorkerStatus> status() const;  // of each, in the order of the devices
  WorkerCounts counts() const;               // of all together

  // By each worker, when it runs no job.
  void request_unload();
  void request_load(const std::filesystem::path& model);

 private:
  JobQueue& queue_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace easel::server
