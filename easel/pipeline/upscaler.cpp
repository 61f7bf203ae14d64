#include "easel/pipeline/upscaler.h"

#include <variant>

#include "easel/backend/devices.h"
#include "easel/base/error.h"
#include "easel/image/resize.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/diffusion_upscale.h"
#include "easel/pipeline/model_options.h"
#include "easel/pipeline/network_upscale.h"
#include "easel/pipeline/profiling.h"
#include "easel/pipeline/timed.h"

namespace easel {
namespace {

struct Diffusion {
  Model model;
  PromptEncoder prompts;
};

void refuse_model_options(const PipelineOptions& options, const Device& device) {
  const auto refuse_if = [&](bool given, std::string_view name) {
    if (!given) return;
    throw Error(ErrorCode::invalid_request, "{} is no diffusion checkpoint: {} does not go with it, leave it out",
                options.checkpoint.string(), name);
  };
  refuse_if(options.config.has_value(), "a configuration");
  refuse_if(options.vae.has_value(), "a VAE");
  refuse_if(options.prediction.has_value(), "the kind of prediction");
  const bool is_bf16 = device.kind() == DeviceKind::cpu && options.precision == Precision::bf16;
  const bool is_eight_bits = options.precision == Precision::int8 || options.precision == Precision::fp8;
  refuse_if(is_bf16 || is_eight_bits, "a precision of fewer bits");
}

bool is_latent_diffusion(const Checkpoint& checkpoint) { return checkpoint.has_prefix("model.diffusion_model."); }

UpscaleResult upscale_with_lanczos(const UpscaleRequest& request) {
  UpscaleResult result;
  {
    const Timed timed(result.times.decoding);
    result.image = resize(request.image, upscaled_size(request), ResizeFilter::lanczos);
  }
  result.request = request;
  result.request.image = {};
  Infotext text{.prompt = {},
                .negative_prompt = {},
                .fields = {{"Upscaler", "Lanczos"}, {"Upscale by", fmt::format("{}", *request.factor)}}};
  add_result_fields(text, result.image.size(), std::nullopt);
  result.parameters = write_infotext(text);
  return result;
}

}  // namespace

struct Upscaler::State {
  std::shared_ptr<Profile> profile = {};  // if wanted
  int threads = 0;
  std::shared_ptr<const Device> device = {};  // outlives all tensors below
  uint64_t memory_limit_bytes = 0;
  bool low_memory = false;
  std::variant<std::monostate, NetworkFile, Diffusion> upscaler = {};
  Seconds open_time{};

  NetworkFile* network() { return std::get_if<NetworkFile>(&upscaler); }
  UpscaleMemory memory() const { return {*device, memory_limit_bytes, low_memory, PlanTarget(*device, threads)}; }
  Diffusion* diffusion() { return std::get_if<Diffusion>(&upscaler); }
};

Upscaler::Upscaler() : state_(std::make_unique<State>()) {}

Upscaler::Upscaler(const PipelineOptions& options) : Upscaler() {
  const Timed timed(state_->open_time);
  state_->memory_limit_bytes = options.memory_limit_bytes;
  state_->low_memory = options.low_memory;
  if (options.profile) state_->profile = std::make_shared<Profile>();
  state_->threads = options.threads;
  state_->device = open_device(device_options(options, state_->profile));
  const auto checkpoint = Checkpoint::open(options.checkpoint);
  if (is_latent_diffusion(*checkpoint)) {
    state_->upscaler = Diffusion{Model(model_options(options, kUpscalingFamilies)),
                                 PromptEncoder(Tokenizer::open(require_asset(kBpeMerges)))};
  } else {
    refuse_model_options(options, *state_->device);
    state_->upscaler.emplace<NetworkFile>(checkpoint);
  }
}

Upscaler::Upscaler(Upscaler&&) noexcept = default;

Upscaler::~Upscaler() = default;

UpscaleResult Upscaler::upscale(const UpscaleRequest& request, const Callbacks& callbacks) {
  const UpscalerDescription which = description();
  check(request, which.kind, which.scale);
  UpscaleRequest completed = with_defaults(request, which.kind, which.scale);
  UpscaleResult result;
  if (Diffusion* diffusion = state_->diffusion()) {
    result =
        DiffusionUpscale(diffusion->model, diffusion->prompts, state_->memory(), std::move(completed), callbacks).run();
  } else if (NetworkFile* file = state_->network()) {
    result = NetworkUpscale(*file, state_->memory(), std::move(completed), callbacks).run();
  } else {
    result = upscale_with_lanczos(completed);
  }
  result.times.open = state_->open_time;
  return result;
}

ProfileReport Upscaler::profile() const { return report_of(state_->profile, state_->threads); }

UpscalerDescription Upscaler::description() const {
  if (const Diffusion* diffusion = state_->diffusion()) {
    return {.kind = UpscalerKind::diffusion,
            .name = diffusion->model.name(),
            .file = diffusion->model.checkpoint().file(),
            .scale = diffusion->model.vae_factor()};
  }
  if (const NetworkFile* file = state_->network()) {
    return {.kind = UpscalerKind::network,
            .name = file->name(),
            .file = file->file(),
            .scale = file->network().config().scale()};
  }
  return {.kind = UpscalerKind::lanczos, .name = "Lanczos", .file = {}};
}

}  // namespace easel
