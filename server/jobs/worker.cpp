#include "server/jobs/worker.h"

#include <new>

#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/pipeline/model_use.h"
#include "server/errors.h"
#include "server/jobs/inputs.h"

namespace easel::server {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Worker::Worker(JobQueue& queue, JobStore& store, WorkerOptions options)
    : queue_(queue), store_(store), options_(std::move(options)), thread_([this] { work(); }) {}

Worker::~Worker() { stop(); }

void Worker::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

std::optional<ModelDescription> Worker::loaded_model() const {
  const std::lock_guard lock(mutex_);
  return loaded_model_;
}

WorkerCounts Worker::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void Worker::request_unload() {
  {
    const std::lock_guard lock(mutex_);
    unload_requested_ = true;
    load_requested_.reset();
  }
  queue_.nudge();
}

void Worker::request_load(std::filesystem::path model) {
  {
    const std::lock_guard lock(mutex_);
    unload_requested_ = false;
    load_requested_ = std::move(model);
  }
  queue_.nudge();
}

void Worker::work() {
  Clock::time_point idle_since = Clock::now();
  constexpr std::chrono::milliseconds kPatience{200};
  while (!queue_.is_closed()) {
    serve_requests();
    if (const auto job = queue_.take(kPatience)) {
      run(*job);
      idle_since = Clock::now();
    } else if (Clock::now() - idle_since >= options_.unload_after) {
      unload();
    }
  }
}

void Worker::serve_requests() {
  bool is_unload = false;
  std::optional<std::filesystem::path> load;
  {
    const std::lock_guard lock(mutex_);
    std::swap(is_unload, unload_requested_);
    std::swap(load, load_requested_);
  }
  if (is_unload) unload();
  if (!load) return;
  try {
    use(*load, {});
  } catch (const std::exception& error) {
    log::warn("{}", error.what());  // the next job with this model tells its client
  }
}

void Worker::run(const Assignment& assignment) {
  const Clock::time_point start = Clock::now();
  JobOutcome outcome;
  try {
    outcome = compute(assignment);
  } catch (const Error& error) {
    outcome.state = JobState::failed;
    if (error.code() == ErrorCode::cancelled) {
      outcome.state = queue_.is_closed() ? JobState::interrupted : JobState::cancelled;
    }
    outcome.fault = JobFault{std::string(name_of(error.code())), error.what()};
  } catch (const std::bad_alloc&) {
    outcome.state = JobState::failed;
    outcome.fault = JobFault{"out_of_memory", "out of memory; try a smaller size or batch"};
  } catch (const std::exception& error) {
    log::warn("job {}: internal error: {}", assignment.job.id, error.what());
    outcome.state = JobState::failed;
    outcome.fault = JobFault{"internal", "internal error; the server's log says more"};
  }
  count(outcome, Clock::now() - start);
  queue_.finish(assignment.job.id, outcome);
}

JobOutcome Worker::compute(const Assignment& assignment) {
  const JobRequest request = store_.load_request(assignment.job);
  if (const auto* upscale_request = std::get_if<UpscaleRequest>(&request)) return upscale(assignment, *upscale_request);
  return draw(assignment, std::get<Request>(request));
}

Callbacks Worker::callbacks(const Assignment& assignment, JobRun& run) {
  const JobId id = assignment.job.id;
  return {
      .on_progress = [this, id, &run](const JobProgress& progress) { queue_.report(id, run.meter.measure(progress)); },
      .on_warning = [&run](const std::string& text) { run.outcome.warnings.push_back(text); },
      .on_preview =
          [this, id, &run](const Image& preview) {
            queue_.show_preview(id, preview);
            run.previews.end(Clock::now());
          },
      .wants_preview =
          [this, id, &run] {
            const Clock::time_point at = Clock::now();
            if (!queue_.is_preview_asked_for(id) || !run.previews.may_begin(at)) return false;
            run.previews.begin(at);
            return true;
          },
      .cancel = assignment.cancel,
      .skip = assignment.skip};
}

JobOutcome Worker::draw(const Assignment& assignment, const Request& request) {
  const JobId id = assignment.job.id;
  JobRun run{.previews = PreviewPace(Clock::now())};
  int64_t number = 0;
  Callbacks calls = callbacks(assignment, run);
  calls.on_image = [&](const GeneratedImage& image) { queue_.add_image(id, store_.add_image(id, number++, image)); };
  Pipeline& pipeline = use(assignment.job.model, assignment.job.vae);
  const Result result = pipeline.generate(request, calls);
  run.outcome.settings = json_without_images(result.request);
  const std::lock_guard lock(mutex_);
  counts_.images += static_cast<int64_t>(result.images.size());
  counts_.network_steps += result.times.network_steps;
  loaded_model_ = pipeline.model();  // the prediction may be known now
  return run.outcome;
}

JobOutcome Worker::upscale(const Assignment& assignment, const UpscaleRequest& request) {
  const JobId id = assignment.job.id;
  JobRun run{.previews = PreviewPace(Clock::now())};
  UpscaleResult result = use_upscaler(assignment.job.model).upscale(request, callbacks(assignment, run));
  const GeneratedImage image{.image = std::move(result.image),
                             .seed = result.request.seed.value_or(0),
                             .prompt = result.request.prompt.value_or(""),
                             .parameters = std::move(result.parameters),
                             .watermarked = result.watermarked};
  queue_.add_image(id, store_.add_image(id, 0, image));
  run.outcome.settings = json_without_images(result.request);
  const std::lock_guard lock(mutex_);
  ++counts_.images;
  counts_.network_steps += result.times.network_steps;
  return run.outcome;
}

Pipeline& Worker::use(const std::filesystem::path& model, const std::filesystem::path& vae) {
  if (pipeline_ && loaded_file_ == model && loaded_vae_ == vae) return *pipeline_;
  unload();  // two would not fit into memory everywhere
  PipelineOptions options = options_.pipeline;
  const bool is_default = options.checkpoint == model;
  options.checkpoint = model;
  if (!is_default) {  // what is said about the default model holds for no other
    options.config.reset();
    options.prediction.reset();
  }
  if (!vae.empty()) options.vae = vae;
  pipeline_ = std::make_unique<Pipeline>(options);
  loaded_file_ = model;
  loaded_vae_ = vae;
  const std::lock_guard lock(mutex_);
  loaded_model_ = pipeline_->model();
  return *pipeline_;
}

// Lanczos needs no model, so the one in memory stays.
Upscaler& Worker::use_upscaler(const std::filesystem::path& file) {
  if (file.empty()) return lanczos_;
  if (upscaler_ && loaded_file_ == file) return *upscaler_;
  unload();
  PipelineOptions options = options_.pipeline;
  options.checkpoint = file;
  options.config.reset();
  options.prediction.reset();
  options.vae.reset();
  options.preview_vae.reset();
  const ModelUse use = use_of(file);
  const bool is_network = use.upscaler && use.upscaler->kind == UpscalerKind::network;
  const bool is_eight_bits = options.precision == Precision::int8 || options.precision == Precision::fp8;
  if (is_network && (is_eight_bits || options.precision == Precision::bf16)) options.precision = Precision::automatic;
  upscaler_.emplace(options);
  loaded_file_ = file;
  return *upscaler_;
}

void Worker::unload() {
  pipeline_.reset();
  upscaler_.reset();
  loaded_file_.clear();
  const std::lock_guard lock(mutex_);
  loaded_model_.reset();
}

void Worker::count(const JobOutcome& outcome, std::chrono::duration<double> time) {
  const std::lock_guard lock(mutex_);
  counts_.busy_seconds += time.count();
  if (outcome.state == JobState::done) {
    ++counts_.done;
  } else if (outcome.state == JobState::failed) {
    ++counts_.failed;
  } else {
    ++counts_.cancelled;
  }
}

}  // namespace easel::server
