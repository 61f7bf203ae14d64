// JobQueue: which jobs run, which wait, who takes the next one, and who wants to know. Any thread may call it; nothing
// here computes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "easel/base/cancel.h"
#include "easel/base/skip.h"
#include "easel/image/image.h"
#include "server/jobs/job_store.h"
#include "server/jobs/news_pace.h"

namespace easel::server {

// Ends when it is released.
using Watch = std::shared_ptr<const std::function<void()>>;

struct Assignment {
  Job job;
  CancelToken cancel;
  SkipToken skip;
};

// The files that a worker has in memory: a checkpoint or an upscaler, and a VAE chosen beside it. Both empty: none.
struct HeldModel {
  std::filesystem::path model = {};
  std::filesystem::path vae = {};
  bool operator==(const HeldModel&) const = default;
};

class JobQueue {
 public:
  // Goes on with what `store` recovered.
  JobQueue(JobStore& store, size_t max_waiting);

  // Nothing if the queue is full or closed. Throws Error io_failure, device_failure if no worker is left.
  std::optional<JobId> submit(const JobOrder& order);

  std::optional<Job> find(JobId id) const;
  std::vector<Job> active()
      const;  // those that run, then those that wait, both in the order in which they began or came
  std::vector<JobId> running() const;                                // likewise
  std::optional<JobId> find_task(const std::string& task_id) const;  // among the active
  size_t waiting_count() const;

  // The job ends within one step; false if it has ended already or never was.
  bool cancel(JobId id);
  // A running job leaves out the batch it works on; nothing happens to others.
  void skip(JobId id);
  // The newest look at a running job's image; nullptr if there is none. A preview takes time, so one is drawn only
  // after somebody has asked for it, each time anew.
  std::shared_ptr<const Image> preview(JobId id) const;
  void ask_for_preview(JobId id);
  bool is_preview_asked_for(JobId id) const;

  // `changed` is called, from any thread, after changes of the job until it has ended, and must return at once. Of
  // steps that follow each other quickly some are left out (NewsPace).
  [[nodiscard]] Watch watch(JobId id, std::function<void()> changed);

  // For workers, a thread each. Jobs begin in the order in which they came. Of the workers that wait for one, that
  // takes the next job which has its model, or else none in memory, or else another; of several such the first.
  using Clock = std::chrono::steady_clock;
  size_t add_worker(std::string device);
  // Waits for a job until `until`, if given, or a nudge; nothing if there is none or the queue is closed.
  std::optional<Assignment> take(size_t worker, const HeldModel& held, std::optional<Clock::time_point> until);
  void report(JobId id, RunProgress progress);
  void show_preview(JobId id, Image preview);
  void add_image(JobId id, StoredImage image);
  void finish(JobId id, const JobOutcome& outcome);
  // Makes take() return early, once for each worker.
  void nudge();
  // The worker takes no job any more. If it was the last one, those whose clients wait for an answer fail with the
  // reason, and no job can be submitted; the others stay queued for the next start.
  void lose_worker(size_t worker, const std::string& reason);
  bool has_workers() const;
  size_t idle_worker_count() const;  // that wait for a job

  // No job begins any more; those that run are cancelled. Those whose clients wait for an answer end, the others stay
  // queued for the next start.
  void close();
  bool is_closed() const;

 private:
  struct Active {
    Job job;
    CancelToken cancel;
    SkipToken skip;
    std::shared_ptr<const Image> preview;
    bool is_preview_asked_for = false;
    NewsPace news = {};
    std::vector<std::weak_ptr<const std::function<void()>>> watchers;
  };
  using Watchers = std::vector<Watch>;
  struct Seat {  // of a worker
    std::string device;
    HeldModel held = {};
    bool waits = false;
    bool is_nudged = false;
    bool is_lost = false;
  };

  Job snapshot(const Active& active) const;
  Watchers watchers_of(Active& active);
  static void tell(const Watchers& watchers);
  void enqueue(Job job);
  std::optional<size_t> next_worker() const;  // that takes the first job that waits
  Assignment begin(JobId id, const std::string& device, std::unique_lock<std::mutex>& lock);
  // Of jobs that will never begin.
  void end_those_with_waiting_clients();

  JobStore& store_;
  const size_t max_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::map<JobId, Active> active_;
  std::deque<JobId> waiting_;
  std::map<JobId, Job> unrecorded_;  // ended while the disk was full
  size_t being_added_ = 0;           // between the check of the length and the record
  std::vector<JobId> running_;
  std::deque<Seat> seats_;            // addresses stay
  std::optional<std::string> fault_;  // why no worker is left
  bool closed_ = false;
};

}  // namespace easel::server
