// JobQueue: which job runs, which wait, and who wants to know. Any thread may call it; nothing here computes.
#pragma once

#include <condition_variable>
#include <deque>
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

class JobQueue {
 public:
  // Goes on with what `store` recovered.
  JobQueue(JobStore& store, size_t max_waiting);

  // Nothing if the queue is full or closed. Throws Error io_failure.
  std::optional<JobId> submit(const JobOrder& order);

  std::optional<Job> find(JobId id) const;
  std::vector<Job> active() const;  // the running one, then those that wait, in order
  std::optional<JobId> running() const;
  std::optional<JobId> find_task(const std::string& task_id) const;  // among the active
  size_t waiting_count() const;

  // The job ends within one step; false if it has ended already or never was.
  bool cancel(JobId id);
  // The running job leaves out the batch it works on; nothing happens to others.
  void skip(JobId id);
  // The newest look at the running job's image; nullptr if there is none. A preview takes time, so one is drawn only
  // after somebody has asked for it, each time anew.
  std::shared_ptr<const Image> preview(JobId id) const;
  void ask_for_preview(JobId id);
  bool is_preview_asked_for(JobId id) const;

  // `changed` is called, from any thread, after changes of the job until it has ended, and must return at once. Of
  // steps that follow each other quickly some are left out (NewsPace).
  [[nodiscard]] Watch watch(JobId id, std::function<void()> changed);

  // For the worker: the next job, after `patience` at most; nothing if there is none or the queue is closed.
  std::optional<Assignment> take(std::chrono::milliseconds patience);
  void report(JobId id, RunProgress progress);
  void show_preview(JobId id, Image preview);
  void add_image(JobId id, StoredImage image);
  void finish(JobId id, const JobOutcome& outcome);
  // Makes take() return early.
  void nudge();

  // No job begins any more; the running one is cancelled. Those whose clients wait for an answer end, the others stay
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

  Job snapshot(const Active& active) const;
  Watchers watchers_of(Active& active);
  static void tell(const Watchers& watchers);
  void enqueue(Job job);

  JobStore& store_;
  const size_t max_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::map<JobId, Active> active_;
  std::deque<JobId> waiting_;
  std::map<JobId, Job> unrecorded_;  // ended while the disk was full
  size_t being_added_ = 0;           // between the check of the length and the record
  std::optional<JobId> running_;
  bool nudged_ = false;
  bool closed_ = false;
};

}  // namespace easel::server
