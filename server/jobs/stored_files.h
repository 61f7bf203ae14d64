// The image files of jobs. Their names alone say to which job they belong.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "server/jobs/job.h"

namespace easel::server {

struct ImageFileName {
  JobId job;
  int64_t number;
  uint64_t seed;
};
std::string image_file_name(const ImageFileName& name);  // "000017-0-42.png"

// The complete images of a job, from what their files say; damaged ones are left out. Without ids.
std::vector<StoredImage> read_images_of(const std::filesystem::path& folder, JobId job);

// A file that cannot be removed is logged: its record is gone already.
void remove_file(const std::filesystem::path& file);

}  // namespace easel::server
