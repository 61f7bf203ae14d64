// Jobs of APIs whose clients wait for the images in the answer to one request.
#pragma once

#include <functional>

#include "server/http/router.h"
#include "server/services.h"

namespace easel::server {

// Submits the job and, when it has ended, answers with what `respond` makes of it, without holding a thread. Images
// that are not to be kept are deleted then. Throws HttpError 429.
void answer_with_job(const Services& services, const JobOrder& order, const Answer& answer,
                     std::function<HttpResponse(const Job&)> respond);

// Throws what ended a job that is not done.
void require_done(const Job& job);

}  // namespace easel::server
