#include "server/jobs/worker.h"

#include <new>

#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/pipeline/drawing_devices.h"
#include "easel/pipeline/model_use.h"
#include "server/errors.h"
#include "server/jobs/inputs.h"

namespace easel::server {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Worker::Worker(JobQueue& queue, size_t number, JobStore& store, WorkerOptions options)
    : queue_(queue),
      number_(number),
      store_(store),
      options_(std::move(options)),
      status_{.device = options_.pipeline.device},
      thread_([this] { work(); }) {}

Worker::~Worker() { stop(); }

void Worker::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

WorkerStatus Worker::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
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
  while (!queue_.is_closed() && !is_lost_) {
    if (serve_requests()) idle_since = Clock::now();
    std::optional<Clock::time_point> until;
    if (!loaded_file_.empty()) until = idle_since + options_.unload_after;
    if (const auto job = queue_.take(number_, {.model = loaded_file_, .vae = loaded_vae_}, until)) {
      run(*job);
      idle_since = Clock::now();
    } else if (Clock::now() - idle_since >= options_.unload_after) {
      unload();
    }
  }
  unload();  // on the thread that computed with it
}

bool Worker::serve_requests() {
  bool is_unload = false;
  std::optional<std::filesystem::path> load;
  {
    const std::lock_guard lock(mutex_);
    std::swap(is_unload, unload_requested_);
    std::swap(load, load_requested_);
  }
  if (is_unload) unload();
  if (!load) return false;
  try {
    use(*load, {});
    return true;
  } catch (const std::exception& error) {
    log::warn("{}", error.what());  // the next job with this model tells its client
    return false;
  }
}

void Worker::run(const Assignment& assignment) {
  const Clock::time_point start = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    status_.job = assignment.job.id;
  }
  JobOutcome outcome;
  bool is_of_device = false;
  try {
    outcome = compute(assignment);
  } catch (const Error& error) {
    outcome.state = JobState::failed;
    if (error.code() == ErrorCode::cancelled) {
      outcome.state = queue_.is_closed() ? JobState::interrupted : JobState::cancelled;
    }
    outcome.fault = JobFault{std::string(name_of(error.code())), error.what()};
    is_of_device = error.code() == ErrorCode::device_failure;
  } catch (const std::bad_alloc&) {
    outcome.state = JobState::failed;
    outcome.fault = JobFault{"out_of_memory", "out of memory; try a smaller size or batch"};
  } catch (const std::exception& error) {
    log::warn("job {}: internal error: {}", assignment.job.id, error.what());
    outcome.state = JobState::failed;
    outcome.fault = JobFault{"internal", "internal error; the server's log says more"};
  }
  if (is_of_device) look_at_device(outcome.fault->message);
  end_job(outcome, Clock::now() - start);
  queue_.finish(assignment.job.id, outcome);
}

// A device may refuse one request and do the next. A card that is lost would fail all that wait, one after the other.
void Worker::look_at_device(std::string& message) {
  unload();
  try {
    return require_computing(options_.pipeline);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::device_failure) return;
    const std::string reason = fmt::format("{} is lost ({}); it draws again once easel serve is started anew",
                                           options_.pipeline.device, error.what());
    log::warn("{}", reason);
    message += fmt::format("; {}", reason);
    is_lost_ = true;
    const std::lock_guard lock(mutex_);
    status_.lost_because = reason;
  }
  queue_.lose_worker(number_, message);
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
  status_.counts.images += static_cast<int64_t>(result.images.size());
  status_.counts.network_steps += result.times.network_steps;
  status_.model = pipeline.model();  // the prediction may be known now
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
  ++status_.counts.images;
  status_.counts.network_steps += result.times.network_steps;
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
  status_.model = pipeline_->model();
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
  // Networks do without what reduces products; on a card bf16 is a type like others.
  const bool on_processor = options.device == "cpu";
  const bool is_eight_bits = options.precision == Precision::int8 || options.precision == Precision::fp8;
  const bool reduces = is_eight_bits || (on_processor && options.precision == Precision::bf16);
  if (is_network && reduces) options.precision = Precision::automatic;
  upscaler_.emplace(options);
  loaded_file_ = file;
  return *upscaler_;
}

void Worker::unload() {
  pipeline_.reset();
  upscaler_.reset();
  loaded_file_.clear();
  loaded_vae_.clear();
  const std::lock_guard lock(mutex_);
  status_.model.reset();
}

void Worker::end_job(const JobOutcome& outcome, std::chrono::duration<double> time) {
  const std::lock_guard lock(mutex_);
  status_.job.reset();
  WorkerCounts& counts = status_.counts;
  counts.busy_seconds += time.count();
  if (outcome.state == JobState::done) {
    ++counts.done;
  } else if (outcome.state == JobState::failed) {
    ++counts.failed;
  } else {
    ++counts.cancelled;
  }
}

}  // namespace easel::server
