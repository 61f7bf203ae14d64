// What the files of the models folders are for. A file is looked into once, and again when it has changed.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>

#include "easel/pipeline/model_use.h"

namespace easel::server {

class ModelUses {
 public:
  ModelUse of(const std::filesystem::path& file) const;

 private:
  struct Known {
    uintmax_t bytes;
    std::filesystem::file_time_type changed;
    ModelUse use;
  };

  mutable std::mutex mutex_;
  mutable std::map<std::filesystem::path, Known> known_;
};

}  // namespace easel::server
