// Faults of test cards, which a test chooses while they compute.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "easel/base/error.h"

namespace easel::testing {

// In the folder that EASEL_TEST_CARD_FAULTS names, a file "cuda:1.lost" is the end of that card; "cuda:1.once" has the
// next thing that it is asked to do fail, and goes.
class CardFaults {
 public:
  explicit CardFaults(int index) : name_("cuda:" + std::to_string(index)) {
    if (const char* const folder = std::getenv("EASEL_TEST_CARD_FAULTS")) folder_ = folder;
  }

  bool is_lost() const {
    std::error_code ignored;
    return !folder_.empty() && std::filesystem::exists(folder_ / (name_ + ".lost"), ignored);
  }
  void meet() const {
    if (is_lost()) throw Error(ErrorCode::device_failure, "{} does not answer", name_);
    std::error_code ignored;
    if (!folder_.empty() && std::filesystem::remove(folder_ / (name_ + ".once"), ignored)) {
      throw Error(ErrorCode::device_failure, "{} fails this once", name_);
    }
  }

 private:
  std::string name_;
  std::filesystem::path folder_;
};

}  // namespace easel::testing
