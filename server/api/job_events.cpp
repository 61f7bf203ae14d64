#include "server/api/job_events.h"

#include "easel/base/error.h"
#include "server/api/job_json.h"

namespace easel::server {
namespace {

class JobEvents : public BodyStream {
 public:
  JobEvents(JobQueue& queue, JobId id, bool with_previews) : queue_(queue), id_(id), with_previews_(with_previews) {}

  void on_more(std::function<void()> wake) override { watch_ = queue_.watch(id_, std::move(wake)); }

  std::optional<std::string> next() override {
    if (has_ended_) return std::nullopt;
    if (with_previews_) queue_.ask_for_preview(id_);
    const std::optional<Job> job = queue_.find(id_);
    if (!job) return std::nullopt;
    has_ended_ = is_ended(job->state);
    std::string json = job_json(*job);
    if (json == last_) return "";
    std::string event = fmt::format("event: {}\ndata: {}\n\n", name_of(job->state), json);
    last_ = std::move(json);
    return event;
  }

 private:
  JobQueue& queue_;
  const JobId id_;
  const bool with_previews_;
  Watch watch_;
  std::string last_;
  bool has_ended_ = false;
};

}  // namespace

std::shared_ptr<BodyStream> job_events(JobQueue& queue, JobId id, bool with_previews) {
  return std::make_shared<JobEvents>(queue, id, with_previews);
}

}  // namespace easel::server
