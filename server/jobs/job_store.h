// JobStore: jobs and images on disk, so that they outlive the process. Records lie in SQLite, images in files; a record
// of an image is made after its file is complete.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "easel/pipeline/result.h"
#include "server/jobs/database.h"
#include "server/jobs/inputs.h"
#include "server/jobs/job.h"

namespace easel::server {

// A page of a list, newest first.
struct Page {
  std::optional<int64_t> before = {};  // only those with a smaller id
  int64_t limit = 50;
};
inline constexpr int64_t kMaxPageLength = 500;
inline constexpr uint64_t kMaxInputBytes = 1'000'000'000;

struct JobOutcome {
  JobState state = JobState::done;
  std::optional<JobFault> fault = {};
  std::vector<std::string> warnings = {};
  std::optional<std::string> settings = {};  // JSON
};

// May be used from several threads.
class JobStore {
 public:
  // Creates what is missing. max_input_bytes: of images that came with jobs which have ended; beyond that those of the
  // oldest jobs are deleted. Throws Error io_failure, invalid_request if another server uses the folder.
  explicit JobStore(const std::filesystem::path& folder, uint64_t max_input_bytes = kMaxInputBytes);

  // What an earlier process left: jobs that ran are marked interrupted and get the images they had finished, jobs whose
  // clients are gone too, images that nobody was to keep are deleted. Returns the jobs that still wait, oldest first.
  std::vector<Job> recover();

  // The job's record, queued. The images of the request are written before it.
  Job add(const JobOrder& order);
  // The whole request of a job. Throws Error not_found if an image that came with it is gone.
  JobRequest load_request(const Job& job) const;
  std::filesystem::path input_file(JobId id, const std::string& name) const;
  void mark_running(JobId id, Time started, const std::string& device);
  void finish(JobId id, const JobOutcome& outcome, Time ended);
  // Writes the file, then the record. Throws Error io_failure (full disk).
  StoredImage add_image(JobId job, int64_t number, const GeneratedImage& image);

  std::optional<Job> find(JobId id);
  std::vector<Job> list(const Page& page, std::optional<JobState> state = std::nullopt);
  std::optional<StoredImage> find_image(ImageId id);
  std::vector<StoredImage> list_images(const Page& page);  // of all jobs whose images are kept
  int64_t image_count();

  // False if there is no such image.
  bool remove_image(ImageId id);
  // Of a job whose images nobody was to keep; those that came with it too.
  void remove_images_of(JobId id);

 private:
  std::vector<StoredImage> images_of(JobId id);
  void adopt_files_without_record(JobId id);
  void insert_image(StoredImage& image);
  void write_inputs(const Job& job, const std::vector<DetachedRequest::Input>& inputs);
  void remove_inputs(JobId id, const std::vector<std::string>& names);
  void prune_inputs();
  Job read_job(const Statement& row);
  StoredImage read_image(const Statement& row) const;

  std::filesystem::path images_folder_;
  std::filesystem::path inputs_folder_;
  const uint64_t max_input_bytes_;
  uint64_t input_bytes_ = 0;  // in inputs_folder_
  std::recursive_mutex mutex_;
  Database database_;
};

}  // namespace easel::server
