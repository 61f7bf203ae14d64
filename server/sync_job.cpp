#include "server/sync_job.h"

#include <map>
#include <mutex>

#include "easel/base/log.h"
#include "server/api/routes.h"
#include "server/jobs/job_wait.h"

namespace easel::server {
namespace {

void remove_images(JobStore& store, JobId id) {
  try {
    store.remove_images_of(id);
  } catch (const Error& error) {  // the next start deletes them
    log::warn("job {}: {}", id, error.what());
  }
}

void remove_images_when_ended(const Services& services, JobId id) {
  services.queue.cancel(id);
  when_ended(services.queue, id, [&store = services.store](const Job& job) { remove_images(store, job.id); });
}

// All of them or none. Throws HttpError 429.
std::vector<JobId> submit_all(const Services& services, const std::vector<JobOrder>& orders) {
  std::vector<JobId> ids;
  for (const JobOrder& order : orders) {
    const std::optional<JobId> id = services.queue.submit(order);
    if (!id) {
      for (const JobId begun : ids) remove_images_when_ended(services, begun);
      throw queue_is_full();
    }
    ids.push_back(*id);
  }
  return ids;
}

// What has ended so far, of jobs for one answer.
struct Collection {
  std::mutex mutex;
  std::map<JobId, Job> jobs;
};

std::vector<Job> in_order(const std::map<JobId, Job>& jobs) {
  std::vector<Job> out;
  for (const auto& [id, job] : jobs) out.push_back(job);
  return out;
}

}  // namespace

void answer_with_job(const Services& services, const JobOrder& order, const Answer& answer,
                     std::function<HttpResponse(const Job&)> respond) {
  answer_with_jobs(services, {order}, answer,
                   [respond = std::move(respond)](const std::vector<Job>& jobs) { return respond(jobs.at(0)); });
}

void answer_with_jobs(const Services& services, const std::vector<JobOrder>& orders, const Answer& answer,
                      std::function<HttpResponse(const std::vector<Job>&)> respond) {
  const std::vector<JobId> ids = submit_all(services, orders);
  if (ids.empty()) answer([&] { return respond({}); });
  const auto collection = std::make_shared<Collection>();
  const auto look = [&store = services.store, collection, answer, respond = std::move(respond),
                     count = ids.size()](const Job& ended) {
    {
      const std::lock_guard lock(collection->mutex);
      collection->jobs.emplace(ended.id, ended);
      if (collection->jobs.size() < count) return;
    }
    const std::vector<Job> jobs = in_order(collection->jobs);
    answer([&] { return respond(jobs); });
    for (const Job& job : jobs) {
      if (!job.keep_images) remove_images(store, job.id);
    }
  };
  for (const JobId id : ids) when_ended(services.queue, id, look);
}

void require_done(const Job& job) {
  if (job.state == JobState::done) return;
  if (!job.fault) throw HttpError(500, "internal", "the job ended without a reason");
  throw HttpError(http_status_of(job.fault->code), job.fault->code, job.fault->message);
}

}  // namespace easel::server
