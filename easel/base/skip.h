// A flag that one thread sets to have a running job leave out the batch it works on, and go on with the next.
#pragma once

#include <atomic>
#include <memory>

namespace easel {

class SkipToken {
 public:
  SkipToken() : wanted_(std::make_shared<std::atomic<bool>>(false)) {}
  void skip() const { wanted_->store(true); }
  // Whether skip() was called since the last take().
  bool take() const { return wanted_->exchange(false); }

 private:
  std::shared_ptr<std::atomic<bool>> wanted_;  // shared by all copies of the token
};

}  // namespace easel
