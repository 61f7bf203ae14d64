// What the routes of all APIs work with.
#pragma once

#include <memory>

#include "easel/pipeline/prompt_length.h"
#include "server/jobs/job_queue.h"
#include "server/jobs/model_catalog.h"
#include "server/jobs/workers.h"

namespace easel::server {

struct Services {
  const ModelCatalog& models;
  JobStore& store;
  JobQueue& queue;
  Workers& workers;
  const PromptRuler& prompts;
};

}  // namespace easel::server
