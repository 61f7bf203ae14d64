// Adds the time it lives to a total. Private to easel/pipeline.
#pragma once

#include "easel/pipeline/result.h"

namespace easel {

class Timed {
 public:
  explicit Timed(Seconds& total) : total_(total) {}
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;
  ~Timed() { total_ += std::chrono::steady_clock::now() - start_; }

 private:
  Seconds& total_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace easel
