// The images that a request brings along. They lie in files beside the records, so that thousands of waiting jobs take
// no memory, and a job's JSON stays short.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "server/jobs/job.h"

namespace easel::server {

// The request as JSON, its images apart.
struct DetachedRequest {
  struct Input {
    std::string name;             // "init_image", as in the JSON
    std::vector<std::byte> file;  // PNG
  };

  std::string json;
  std::vector<Input> inputs;
};
DetachedRequest detach_images(JobRequest request);
std::string json_without_images(JobRequest request);

// folder: of all jobs' inputs
std::filesystem::path input_file(const std::filesystem::path& folder, JobId job, const std::string& name);

// The whole request again, with the images of these names. Throws Error not_found if a file is missing.
JobRequest attach_images(const std::string& json, const std::filesystem::path& folder, JobId job,
                         const std::vector<std::string>& names);

}  // namespace easel::server
