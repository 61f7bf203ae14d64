#include "easel/pipeline/pipeline.h"

#include "easel/backend/devices.h"
#include "easel/base/error.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/job.h"
#include "easel/pipeline/model_options.h"
#include "easel/pipeline/profiling.h"
#include "easel/pipeline/timed.h"

namespace easel {
std::string program_version() { return "easel " EASEL_VERSION; }

std::string_view name_of(Stage stage) {
  switch (stage) {
    case Stage::text: return "text";
    case Stage::encoding: return "encoding";
    case Stage::sampling: return "sampling";
    case Stage::decoding: return "decoding";
    case Stage::upscaling: break;
  }
  return "upscaling";
}

struct Pipeline::State {
  Workshop workshop() {
    return {.device = *device,
            .model = model,
            .prompts = prompts,
            .memory_limit_bytes = memory_limit_bytes,
            .adapters = &adapters,
            .low_memory = low_memory,
            .target = PlanTarget(*device, threads),
            .upscalers = upscalers,
            .host = host.get()};
  }

  explicit State(const PipelineOptions& options)
      : profile(options.profile ? std::make_shared<Profile>() : nullptr),
        threads(options.threads),
        device(open_device(device_options(options, profile))),
        host(device->kind() == DeviceKind::cpu ? device : open_device({.threads = options.threads})),
        model(model_options(options, kDrawingFamilies)),
        prompts(Tokenizer::open(require_asset(kBpeMerges))),
        adapters{.shelf = AdapterShelf(options.adapters), .loras = {}, .controls = {}},
        upscalers(options.upscalers),
        memory_limit_bytes(options.memory_limit_bytes),
        low_memory(options.low_memory) {}

  std::shared_ptr<Profile> profile;  // if wanted
  int threads;
  std::shared_ptr<const Device> device;  // outlives all tensors below
  std::shared_ptr<const Device> host;    // the same, or the processor beside a card
  Model model;
  PromptEncoder prompts;
  JobAdapters adapters;
  std::vector<std::filesystem::path> upscalers;
  uint64_t memory_limit_bytes;
  bool low_memory;
  Seconds open_time{};
};

Pipeline::Pipeline(const PipelineOptions& options) {
  Seconds open_time{};
  {
    const Timed timed(open_time);
    state_ = std::make_unique<State>(options);
  }
  state_->open_time = open_time;
}

Pipeline::~Pipeline() = default;

Result Pipeline::generate(const Request& request, const Callbacks& callbacks) {
  Result result = Job(state_->workshop(), request, callbacks).run();
  result.times.open = state_->open_time;
  return result;
}

Request Pipeline::completed(const Request& request) {
  Request completed = Job(state_->workshop(), request, {}).completed();
  completed.seed = request.seed;
  completed.variation_seed = request.variation_seed;
  return completed;
}

ProfileReport Pipeline::profile() const { return report_of(state_->profile, state_->threads); }

ModelDescription Pipeline::model() const {
  const auto& parameterization = state_->model.parameterization();
  return {.file = state_->model.checkpoint().file(),
          .name = state_->model.name(),
          .hash = state_->model.hash(),
          .family = std::string(name_of(state_->model.family())),
          .prediction = parameterization ? std::string(name_of(*parameterization)) : "unknown"};
}

}  // namespace easel
