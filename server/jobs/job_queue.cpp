#include "server/jobs/job_queue.h"

#include <algorithm>

#include "easel/base/error.h"
#include "easel/base/log.h"

namespace easel::server {
namespace {

Job ended_job(Job job, const JobOutcome& outcome, Time ended) {
  job.state = outcome.state;
  job.ended = ended;
  job.fault = outcome.fault;
  job.warnings = outcome.warnings;
  job.settings = outcome.settings;
  job.progress.reset();
  return job;
}

}  // namespace

JobQueue::JobQueue(JobStore& store, size_t max_waiting) : store_(store), max_waiting_(max_waiting) {
  for (Job& job : store_.recover()) enqueue(std::move(job));
}

void JobQueue::enqueue(Job job) {
  const JobId id = job.id;
  active_.emplace(id, Active{.job = std::move(job), .cancel = {}, .skip = {}, .preview = {}, .watchers = {}});
  waiting_.push_back(id);
}

// The record is written without the lock, so that a slow disk holds no other call up.
std::optional<JobId> JobQueue::submit(const JobOrder& order) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || waiting_.size() + being_added_ >= max_waiting_) return std::nullopt;
    ++being_added_;
  }
  std::optional<Job> job;
  try {
    job = store_.add(order);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    --being_added_;
    throw;
  }
  const JobId id = job->id;
  const std::lock_guard lock(mutex_);
  --being_added_;
  enqueue(std::move(*job));
  work_.notify_all();
  return id;
}

Job JobQueue::snapshot(const Active& active) const {
  Job job = active.job;
  if (job.state == JobState::queued && running_ == job.id) {
    job.position = 0;  // about to begin
  } else if (job.state == JobState::queued) {
    const auto place = std::find(waiting_.begin(), waiting_.end(), job.id) - waiting_.begin();
    job.position = static_cast<int64_t>(place) + int64_t{running_.has_value()};
  }
  return job;
}

std::optional<Job> JobQueue::find(JobId id) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = active_.find(id); at != active_.end()) return snapshot(at->second);
    if (const auto at = unrecorded_.find(id); at != unrecorded_.end()) return at->second;
  }
  return store_.find(id);
}

std::vector<Job> JobQueue::active() const {
  const std::lock_guard lock(mutex_);
  std::vector<Job> jobs;
  if (running_) jobs.push_back(snapshot(active_.at(*running_)));
  int64_t position = running_ ? 1 : 0;
  for (const JobId id : waiting_) {
    jobs.push_back(active_.at(id).job);
    jobs.back().position = position++;
  }
  return jobs;
}

std::optional<JobId> JobQueue::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

std::optional<JobId> JobQueue::find_task(const std::string& task_id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, active] : active_) {
    if (active.job.task_id == task_id) return id;
  }
  return std::nullopt;
}

size_t JobQueue::waiting_count() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

bool JobQueue::cancel(JobId id) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = active_.find(id);
    if (at == active_.end()) return false;
    at->second.cancel.cancel();
    if (std::erase(waiting_, id) == 0) return true;  // it runs, or another call is ending it
  }
  finish(id, {.state = JobState::cancelled, .fault = JobFault{"cancelled", "the job was cancelled before it began"}});
  return true;
}

void JobQueue::skip(JobId id) {
  const std::lock_guard lock(mutex_);
  if (const auto at = active_.find(id); at != active_.end() && running_ == id) at->second.skip.skip();
}

std::shared_ptr<const Image> JobQueue::preview(JobId id) const {
  const std::lock_guard lock(mutex_);
  const auto at = active_.find(id);
  return at == active_.end() ? nullptr : at->second.preview;
}

void JobQueue::ask_for_preview(JobId id) {
  const std::lock_guard lock(mutex_);
  if (const auto at = active_.find(id); at != active_.end()) at->second.is_preview_asked_for = true;
}

bool JobQueue::is_preview_asked_for(JobId id) const {
  const std::lock_guard lock(mutex_);
  const auto at = active_.find(id);
  return at != active_.end() && at->second.is_preview_asked_for;
}

Watch JobQueue::watch(JobId id, std::function<void()> changed) {
  auto watch = std::make_shared<const std::function<void()>>(std::move(changed));
  const std::lock_guard lock(mutex_);
  if (const auto at = active_.find(id); at != active_.end()) at->second.watchers.push_back(watch);
  return watch;
}

JobQueue::Watchers JobQueue::watchers_of(Active& active) {
  Watchers watchers;
  for (const auto& watcher : active.watchers) {
    if (auto watch = watcher.lock()) watchers.push_back(std::move(watch));
  }
  std::erase_if(active.watchers, [](const auto& watcher) { return watcher.expired(); });
  return watchers;
}

void JobQueue::tell(const Watchers& watchers) {
  for (const Watch& watch : watchers) (*watch)();
}

// A job is recorded as running before anyone is told: after a crash it must not look as if it had never begun.
std::optional<Assignment> JobQueue::take(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  work_.wait_for(lock, patience, [this] { return closed_ || nudged_ || !waiting_.empty(); });
  nudged_ = false;
  if (closed_ || waiting_.empty()) return std::nullopt;
  const JobId id = waiting_.front();
  waiting_.pop_front();
  running_ = id;
  lock.unlock();
  const Time started = now();
  try {
    store_.mark_running(id, started);
  } catch (const Error& error) {
    log::warn("job {}: {}", id, error.what());  // it runs nevertheless
  }
  lock.lock();
  Active& active = active_.at(id);
  active.job.state = JobState::running;
  active.job.started = started;
  active.job.progress = RunProgress{.stage = "loading"};
  Assignment assignment{active.job, active.cancel, active.skip};
  Watchers watchers = watchers_of(active);
  for (const JobId waiting : waiting_) {  // all have moved up
    for (Watch& watch : watchers_of(active_.at(waiting))) watchers.push_back(std::move(watch));
  }
  lock.unlock();
  tell(watchers);
  return assignment;
}

void JobQueue::report(JobId id, RunProgress progress) {
  Watchers watchers;
  {
    const std::lock_guard lock(mutex_);
    Active& active = active_.at(id);
    progress.preview_version = active.job.progress->preview_version;
    active.job.progress = std::move(progress);
    if (active.news.is_due(*active.job.progress, NewsPace::Clock::now())) watchers = watchers_of(active);
  }
  tell(watchers);
}

void JobQueue::show_preview(JobId id, Image preview) {
  auto shared = std::make_shared<const Image>(std::move(preview));
  const std::lock_guard lock(mutex_);
  Active& active = active_.at(id);
  active.preview = std::move(shared);
  active.is_preview_asked_for = false;
  ++active.job.progress->preview_version;
}

void JobQueue::add_image(JobId id, StoredImage image) {
  Watchers watchers;
  {
    const std::lock_guard lock(mutex_);
    Active& active = active_.at(id);
    active.job.images.push_back(std::move(image));
    watchers = watchers_of(active);
  }
  tell(watchers);
}

// The record comes first: a job that is not active any more is found there.
void JobQueue::finish(JobId id, const JobOutcome& outcome) {
  const Time ended = now();
  bool is_recorded = true;
  try {
    store_.finish(id, outcome, ended);
  } catch (const Error& error) {
    log::warn("job {}: {}", id, error.what());
    is_recorded = false;
  }
  Watchers watchers;
  {
    const std::lock_guard lock(mutex_);
    const auto at = active_.find(id);
    watchers = watchers_of(at->second);
    if (running_ == id) running_.reset();
    if (!is_recorded) unrecorded_[id] = ended_job(std::move(at->second.job), outcome, ended);
    active_.erase(at);
  }
  tell(watchers);
}

void JobQueue::nudge() {
  const std::lock_guard lock(mutex_);
  nudged_ = true;
  work_.notify_all();
}

void JobQueue::close() {
  std::vector<JobId> orphaned;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    if (running_) active_.at(*running_).cancel.cancel();
    for (const JobId id : waiting_) {
      if (active_.at(id).job.origin != Origin::jobs) orphaned.push_back(id);
    }
    for (const JobId id : orphaned) std::erase(waiting_, id);
    work_.notify_all();
  }
  for (const JobId id : orphaned) {
    finish(id, {.state = JobState::interrupted, .fault = JobFault{"cancelled", "the server was stopped"}});
  }
}

bool JobQueue::is_closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace easel::server
