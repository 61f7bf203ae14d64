#include "server/jobs/job.h"

#include <array>

#include "easel/base/error.h"

namespace easel::server {
namespace {

constexpr std::array kStates = {JobState::queued, JobState::running,   JobState::done,
                                JobState::failed, JobState::cancelled, JobState::interrupted};

}  // namespace

Time now() { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); }

std::string_view name_of(JobState state) {
  switch (state) {
    case JobState::queued: return "queued";
    case JobState::running: return "running";
    case JobState::done: return "done";
    case JobState::failed: return "failed";
    case JobState::cancelled: return "cancelled";
    case JobState::interrupted: break;
  }
  return "interrupted";
}

JobState parse_job_state(std::string_view name) {
  for (const JobState state : kStates) {
    if (name_of(state) == name) return state;
  }
  throw Error(ErrorCode::invalid_request,
              "state '{}' is unknown, expected queued, running, done, failed, cancelled or interrupted", name);
}

bool is_ended(JobState state) { return state != JobState::queued && state != JobState::running; }

std::string_view name_of(Origin origin) {
  switch (origin) {
    case Origin::jobs: return "jobs";
    case Origin::a1111: return "a1111";
    case Origin::openai: break;
  }
  return "openai";
}

}  // namespace easel::server
