// Jobs and images as the JSON of /api/v1.
#pragma once

#include <string>
#include <vector>

#include "server/jobs/job.h"

namespace easel::server {

std::string job_json(const Job& job);
std::string jobs_json(const std::vector<Job>& jobs, std::optional<int64_t> next);
std::string image_json(const StoredImage& image);
std::string images_json(const std::vector<StoredImage>& images, std::optional<int64_t> next);

// "2026-11-24T10:00:00.123Z"
std::string iso_time(Time time);

// Where the bytes of an image are.
std::string image_path(ImageId id);

}  // namespace easel::server
