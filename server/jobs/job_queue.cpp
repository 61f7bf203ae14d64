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

// The lower, the better the worker suits.
int rank_of(const HeldModel& held, const Job& job) {
  if (held == HeldModel{.model = job.model, .vae = job.vae}) return 0;
  return held == HeldModel{} ? 1 : 2;
}

// Lanczos takes no model, and so the processor.
std::string device_of(const Job& job, const std::string& device) { return job.model.empty() ? "cpu" : device; }

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
    if (fault_) throw Error(ErrorCode::device_failure, "no device is left to draw with: {}", *fault_);
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
  bool begins_never = false;
  {
    const std::lock_guard lock(mutex_);
    --being_added_;
    enqueue(std::move(*job));
    begins_never = closed_ || fault_;  // since the check above
    work_.notify_all();
  }
  if (begins_never) end_those_with_waiting_clients();
  return id;
}

Job JobQueue::snapshot(const Active& active) const {
  Job job = active.job;
  if (job.state != JobState::queued) return job;
  const auto place = std::find(waiting_.begin(), waiting_.end(), job.id);
  job.position = 0;  // about to begin
  if (place != waiting_.end()) job.position = std::ssize(running_) + (place - waiting_.begin());
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
  for (const JobId id : running_) jobs.push_back(snapshot(active_.at(id)));
  int64_t position = std::ssize(running_);
  for (const JobId id : waiting_) {
    jobs.push_back(active_.at(id).job);
    jobs.back().position = position++;
  }
  return jobs;
}

std::vector<JobId> JobQueue::running() const {
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
  const bool runs = std::find(running_.begin(), running_.end(), id) != running_.end();
  if (const auto at = active_.find(id); at != active_.end() && runs) at->second.skip.skip();
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

size_t JobQueue::add_worker(std::string device) {
  const std::lock_guard lock(mutex_);
  seats_.push_back({.device = std::move(device)});
  return seats_.size() - 1;
}

std::optional<size_t> JobQueue::next_worker() const {
  if (waiting_.empty()) return std::nullopt;
  const Job& job = active_.at(waiting_.front()).job;
  std::optional<size_t> best;
  for (size_t worker = 0; worker < seats_.size(); ++worker) {
    if (!seats_[worker].waits) continue;
    if (!best || rank_of(seats_[worker].held, job) < rank_of(seats_[*best].held, job)) best = worker;
  }
  return best;
}

std::optional<Assignment> JobQueue::take(size_t worker, const HeldModel& held, std::optional<Clock::time_point> until) {
  std::unique_lock lock(mutex_);
  Seat& seat = seats_.at(worker);
  seat.held = held;
  seat.waits = true;
  const auto may_go = [&] { return closed_ || seat.is_nudged || next_worker() == worker; };
  if (until) {
    work_.wait_until(lock, *until, may_go);
  } else {
    work_.wait(lock, may_go);
  }
  const bool takes = !closed_ && next_worker() == worker;
  seat.waits = false;
  seat.is_nudged = false;
  work_.notify_all();  // now another worker is the one for the next job
  if (!takes) return std::nullopt;
  const JobId id = waiting_.front();
  waiting_.pop_front();
  running_.push_back(id);
  return begin(id, device_of(active_.at(id).job, seat.device), lock);
}

// A job is recorded as running before anyone is told: after a crash it must not look as if it had never begun.
Assignment JobQueue::begin(JobId id, const std::string& device, std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const Time started = now();
  try {
    store_.mark_running(id, started, device);
  } catch (const Error& error) {
    log::warn("job {}: {}", id, error.what());  // it runs nevertheless
  }
  lock.lock();
  Active& active = active_.at(id);
  active.job.state = JobState::running;
  active.job.started = started;
  active.job.device = device;
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
    std::erase(running_, id);
    if (!is_recorded) unrecorded_[id] = ended_job(std::move(at->second.job), outcome, ended);
    active_.erase(at);
  }
  tell(watchers);
}

void JobQueue::nudge() {
  const std::lock_guard lock(mutex_);
  for (Seat& seat : seats_) seat.is_nudged = true;
  work_.notify_all();
}

void JobQueue::lose_worker(size_t worker, const std::string& reason) {
  {
    const std::lock_guard lock(mutex_);
    seats_.at(worker).is_lost = true;
    if (!std::ranges::all_of(seats_, &Seat::is_lost)) return;
    fault_ = reason;
  }
  end_those_with_waiting_clients();
}

bool JobQueue::has_workers() const {
  const std::lock_guard lock(mutex_);
  return !fault_;
}

size_t JobQueue::idle_worker_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::ranges::count(seats_, true, &Seat::waits));
}

void JobQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const JobId id : running_) active_.at(id).cancel.cancel();
    work_.notify_all();
  }
  end_those_with_waiting_clients();
}

void JobQueue::end_those_with_waiting_clients() {
  std::vector<JobId> orphaned;
  JobOutcome outcome{.state = JobState::interrupted, .fault = JobFault{"cancelled", "the server was stopped"}};
  {
    const std::lock_guard lock(mutex_);
    for (const JobId id : waiting_) {
      if (active_.at(id).job.origin != Origin::jobs) orphaned.push_back(id);
    }
    for (const JobId id : orphaned) std::erase(waiting_, id);
    if (fault_) {
      outcome.state = JobState::failed;
      outcome.fault = JobFault{"device_failure", fmt::format("no device is left to draw with: {}", *fault_)};
    }
  }
  for (const JobId id : orphaned) finish(id, outcome);
}

bool JobQueue::is_closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace easel::server
