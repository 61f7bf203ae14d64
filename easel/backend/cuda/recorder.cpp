#include "easel/backend/cuda/recorder.h"

#include "easel/base/error.h"

namespace easel::cuda {
namespace {

class Graph : public Recording {
 public:
  Graph(std::shared_ptr<const Context> context, cudaGraph_t graph) : context_(std::move(context)) {
    check(cudaGraphInstantiate(&graph_, graph, 0), "make a graph");
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  // What was launched is finished first: it holds the kernels' arguments.
  ~Graph() override {
    cudaSetDevice(context_->index());
    cudaStreamSynchronize(context_->stream());
    cudaGraphExecDestroy(graph_);
  }

  void run() override {
    context_->activate();
    check(cudaGraphLaunch(graph_, context_->stream()), "launch a graph");
  }

 private:
  std::shared_ptr<const Context> context_;
  cudaGraphExec_t graph_ = nullptr;
};

struct DestroyGraph {
  void operator()(cudaGraph_t graph) const { cudaGraphDestroy(graph); }
};
using OwnedGraph = std::unique_ptr<CUgraph_st, DestroyGraph>;

}  // namespace

// Relaxed: memory may be asked for meanwhile.
void GraphRecorder::begin() {
  context_->activate();
  check(cudaStreamBeginCapture(context_->stream(), cudaStreamCaptureModeRelaxed), "record a graph");
  context_->set_recording(true);
}

std::unique_ptr<Recording> GraphRecorder::finish() {
  context_->set_recording(false);
  cudaGraph_t captured = nullptr;
  check(cudaStreamEndCapture(context_->stream(), &captured), "record a graph");
  const OwnedGraph graph(captured);
  if (!graph) throw Error(ErrorCode::device_failure, "CUDA recorded no graph");
  return std::make_unique<Graph>(context_, graph.get());
}

void GraphRecorder::abandon() noexcept {
  context_->set_recording(false);
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  cudaGraph_t captured = nullptr;
  if (cudaStreamIsCapturing(context_->stream(), &status) == cudaSuccess && status != cudaStreamCaptureStatusNone &&
      cudaStreamEndCapture(context_->stream(), &captured) == cudaSuccess && captured != nullptr) {
    cudaGraphDestroy(captured);
  }
  cudaGetLastError();  // the fault that led here has been told
}

}  // namespace easel::cuda
