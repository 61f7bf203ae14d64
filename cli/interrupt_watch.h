// Turns Ctrl-C into the cancelling of a job.
#pragma once

#include <thread>

#include "easel/base/cancel.h"

namespace easel::cli {

class InterruptWatch {
 public:
  explicit InterruptWatch(CancelToken token);

 private:
  std::jthread thread_;  // ends with the object
};

}  // namespace easel::cli
