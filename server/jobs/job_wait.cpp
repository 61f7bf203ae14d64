#include "server/jobs/job_wait.h"

#include <mutex>

namespace easel::server {
namespace {

// Holds itself, through its watch, until the job has ended.
struct Wait {
  std::mutex mutex;
  Watch watch;
  bool is_over = false;
};

}  // namespace

void when_ended(JobQueue& queue, JobId id, std::function<void(const Job&)> done) {
  const auto wait = std::make_shared<Wait>();
  const auto look = [&queue, id, wait, done = std::move(done)] {
    const std::optional<Job> job = queue.find(id);
    if (job && !is_ended(job->state)) return;
    Watch watch;  // released after the lock
    {
      const std::lock_guard lock(wait->mutex);
      if (wait->is_over) return;
      wait->is_over = true;
      watch = std::move(wait->watch);
    }
    if (job) done(*job);
  };
  Watch watch = queue.watch(id, look);
  {
    const std::lock_guard lock(wait->mutex);
    if (!wait->is_over) wait->watch = std::move(watch);
  }
  look();  // it may have ended before the watch began
}

}  // namespace easel::server
