// Waiting for the end of a job without a thread that waits.
#pragma once

#include <functional>

#include "server/jobs/job_queue.h"

namespace easel::server {

// Calls `done` once, from any thread, when the job has ended; at once if it has already.
void when_ended(JobQueue& queue, JobId id, std::function<void(const Job&)> done);

}  // namespace easel::server
