// A job's changes as server-sent events.
#pragma once

#include <memory>

#include "server/http/message.h"
#include "server/jobs/job_queue.h"

namespace easel::server {

// Each event is named after the job's state and carries the job as JSON; the first comes at once, the stream ends with
// the job. Changes that follow each other faster than the client reads become one event. with_previews: the client
// shows them, so they are drawn.
std::shared_ptr<BodyStream> job_events(JobQueue& queue, JobId id, bool with_previews);

}  // namespace easel::server
