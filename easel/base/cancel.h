// A flag that one thread sets and a running job looks at between steps.
#pragma once

#include <atomic>
#include <memory>

namespace easel {

class CancelToken {
 public:
  CancelToken() : cancelled_(std::make_shared<std::atomic<bool>>(false)) {}
  void cancel() const { cancelled_->store(true); }
  bool cancelled() const { return cancelled_->load(); }

 private:
  std::shared_ptr<std::atomic<bool>> cancelled_;  // shared by all copies of the token
};

}  // namespace easel
