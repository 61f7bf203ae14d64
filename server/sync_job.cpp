#include "server/sync_job.h"

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

}  // namespace

void answer_with_job(const Services& services, const JobOrder& order, const Answer& answer,
                     std::function<HttpResponse(const Job&)> respond) {
  const std::optional<JobId> id = services.queue.submit(order);
  if (!id) throw queue_is_full();
  when_ended(services.queue, *id, [&store = services.store, answer, respond = std::move(respond)](const Job& job) {
    answer([&] { return respond(job); });
    if (!job.keep_images) remove_images(store, job.id);
  });
}

void require_done(const Job& job) {
  if (job.state == JobState::done) return;
  if (!job.fault) throw HttpError(500, "internal", "the job ended without a reason");
  throw HttpError(http_status_of(job.fault->code), job.fault->code, job.fault->message);
}

}  // namespace easel::server
