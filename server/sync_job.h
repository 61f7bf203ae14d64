// Jobs of APIs whose clients wait for the images in the answer to one request.
#pragma once

#include <functional>
#include <vector>

#include "server/http/router.h"
#include "server/services.h"

namespace easel::server {

// Submits the job and, when it has ended, answers with what `respond` makes of it, without holding a thread. Images
// that are not to be kept are deleted then. Throws HttpError 429.
void answer_with_job(const Services& services, const JobOrder& order, const Answer& answer,
                     std::function<HttpResponse(const Job&)> respond);

// Likewise for several jobs, in their order, when all have ended; at once if there are none.
void answer_with_jobs(const Services& services, const std::vector<JobOrder>& orders, const Answer& answer,
                      std::function<HttpResponse(const std::vector<Job>&)> respond);

// Throws what ended a job that is not done.
void require_done(const Job& job);

}  // namespace easel::server
