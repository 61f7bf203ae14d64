// CUDA graphs: what is put on the context's stream, captured and launched as a whole.
#pragma once

#include <memory>

#include "easel/backend/cuda/context.h"
#include "easel/backend/plugin.h"

namespace easel::cuda {

class GraphRecorder : public Recorder {
 public:
  explicit GraphRecorder(std::shared_ptr<Context> context) : context_(std::move(context)) {}

  void begin() override;
  std::unique_ptr<Recording> finish() override;
  void abandon() noexcept override;

 private:
  std::shared_ptr<Context> context_;
};

}  // namespace easel::cuda
