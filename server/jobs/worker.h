// Worker: a thread that computes on one device. It takes jobs from the queue and keeps one model loaded.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include "easel/pipeline/pipeline.h"
#include "easel/pipeline/upscaler.h"
#include "server/jobs/job_queue.h"
#include "server/jobs/preview_pace.h"
#include "server/jobs/run_meter.h"

namespace easel::server {

struct WorkerOptions {
  // `device` is one; `checkpoint` is the default model, and the other models run with the same options.
  PipelineOptions pipeline;
  std::chrono::milliseconds unload_after = std::chrono::minutes(10);  // without work
};

struct WorkerCounts {
  int64_t done = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
  int64_t images = 0;
  int64_t network_steps = 0;
  double busy_seconds = 0;
};

// A worker as it is now.
struct WorkerStatus {
  std::string device;                            // "cuda:0"
  std::optional<JobId> job = {};                 // that it runs
  std::optional<ModelDescription> model = {};    // that it has loaded
  std::optional<std::string> lost_because = {};  // then it takes no more jobs
  WorkerCounts counts = {};
};

class Worker {
 public:
  // number: of add_worker()
  Worker(JobQueue& queue, size_t number, JobStore& store, WorkerOptions options);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();  // stops

  // Closes the queue and waits for the running job to end, which takes a step at most.
  void stop();

  WorkerStatus status() const;

  // Done when it runs no job.
  void request_unload();
  void request_load(std::filesystem::path model);

 private:
  void work();
  bool serve_requests();  // true: a model was loaded
  void run(const Assignment& assignment);
  // After its device refused something: whether it still computes. If not, tells everybody and adds to `message`.
  void look_at_device(std::string& message);
  JobOutcome compute(const Assignment& assignment);
  JobOutcome draw(const Assignment& assignment, const Request& request);
  JobOutcome upscale(const Assignment& assignment, const UpscaleRequest& request);
  // What runs beside the arithmetic of one job.
  struct JobRun {
    RunMeter meter = {};
    PreviewPace previews;
    JobOutcome outcome = {};
  };
  Callbacks callbacks(const Assignment& assignment, JobRun& run);
  Pipeline& use(const std::filesystem::path& model, const std::filesystem::path& vae);
  Upscaler& use_upscaler(const std::filesystem::path& file);
  void unload();
  void end_job(const JobOutcome& outcome, std::chrono::duration<double> time);

  JobQueue& queue_;
  const size_t number_;
  JobStore& store_;
  const WorkerOptions options_;

  // Of the thread alone. One of them has a model at a time.
  std::unique_ptr<Pipeline> pipeline_;
  std::optional<Upscaler> upscaler_;
  Upscaler lanczos_;
  std::filesystem::path loaded_file_;
  std::filesystem::path loaded_vae_;  // empty: the model's own, or the server's
  bool is_lost_ = false;

  mutable std::mutex mutex_;  // of what follows
  WorkerStatus status_;
  bool unload_requested_ = false;
  std::optional<std::filesystem::path> load_requested_;

  std::thread thread_;
};

}  // namespace easel::server
