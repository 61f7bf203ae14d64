#include "easel/pipeline/diffusion_upscale.h"

#include "easel/base/error.h"
#include "easel/image/tensor_image.h"
#include "easel/image/watermark.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/parameters.h"
#include "easel/pipeline/timed.h"
#include "easel/pipeline/upscale_network.h"

namespace easel {
namespace {

// Latents of the whole image that a step holds: x, the start, noise, predictions, denoised ones and a solver's memory.
constexpr int64_t kLiveLatents = 16;

// [unconditional, conditional], or the conditional half alone
Tensor context_of(const PromptEncoder& prompts, const Request& request) {
  const Tensor& conditional = prompts[request.prompt];
  if (!needs_unconditional(*request.guidance_scale)) return conditional;
  return ops::concat_batch(prompts[request.negative_prompt], conditional);
}

}  // namespace

DiffusionUpscale::DiffusionUpscale(Model& model, PromptEncoder& prompts, const UpscaleMemory& memory,
                                   UpscaleRequest request, const Callbacks& callbacks)
    : UpscaleJob(memory, std::move(request), callbacks),
      model_(model),
      prompts_(prompts),
      stage_memory_(model, memory.device) {
  if (!result().request.seed) result().request.seed = random_seed();
  sampling_ = sampling_request(this->request());
  sampling_.image_seed = this->request().image_seed;
  check_eta(sampling_);
  check_noise_level();
}

void DiffusionUpscale::check_noise_level() const {
  const int64_t levels = model_.unet().config().classes;
  if (*request().noise_level < levels) return;
  throw Error(ErrorCode::invalid_request, "noise level is {}, but {} knows levels from 0 to {}", *request().noise_level,
              model_.name(), levels - 1);
}

Image DiffusionUpscale::enlarge(const Image& image, std::optional<TileGrid>& grid) {
  grid = plan(image.size());
  encode_prompts();
  return decode(sample(image, *grid), *grid);
}

TileGrid DiffusionUpscale::plan(Size image) {
  const auto pixels = static_cast<uint64_t>(image.width_px * image.height_px);
  const auto job_of = [&](int64_t rows, int64_t columns) {
    const uint64_t values = kLiveLatents * static_cast<uint64_t>(model_.latent_channels()) + 2 * Image::kChannels;
    return JobSize{.width_px = columns * scale(),
                   .height_px = rows * scale(),
                   .batch = 1,
                   .latents = needs_unconditional(*sampling_.guidance_scale) ? 2 : 1,
                   .sampling_bytes = values * pixels * sizeof(float),
                   .decoding_bytes = joined_bytes({image.width_px * scale(), image.height_px * scale()})};
  };
  const TileGrid grid = plan_tiles(image, [&](int64_t rows, int64_t columns) {
    const JobSize job = job_of(rows, columns);
    return smallest_memory(ModelTrial(model_, job, target()));
  });
  const MemoryPlan plan = plan_memory(model_, job_of(grid.rows().tile, grid.columns().tile), allowance(), target());
  note(plan);
  stage_memory_.keep_to(plan);
  return grid;
}

void DiffusionUpscale::encode_prompts() {
  const Timed timed(result().times.text);
  stage_memory_.enter(MemoryStage::text);
  tell({.stage = Stage::text, .step = 0, .steps = 1});
  std::vector<std::string> prompts = {sampling_.prompt};
  if (needs_unconditional(*sampling_.guidance_scale)) prompts.push_back(sampling_.negative_prompt);
  prompts_.forget();
  prompts_.prepare(model_, device(), prompts, {}, [this](const std::string& text) { warn(text); });
  model_.unload_text_encoder();
  tell({.stage = Stage::text, .step = 1, .steps = 1});
}

Tensor DiffusionUpscale::sample(const Image& image, const TileGrid& grid) {
  const Timed timed(result().times.sampling);
  stage_memory_.enter(MemoryStage::sampling);
  int64_t step = 0;  // finished
  const auto tell_step = [&](int64_t tile) {
    tell({.stage = Stage::sampling, .step = step, .steps = *sampling_.steps, .tile = tile, .tiles = grid.count()});
  };
  tell_step(0);
  const std::vector<PlannedImage> batch = {{.prompt = sampling_.prompt, .seed = *sampling_.seed}};
  JobNoise noise(sampling_);
  noise.begin(batch);
  const Tensor picture = tensor_from(image, device());  // [1, h, w, 3]
  const Tensor noised = noised_picture(picture, noise.for_image(device(), picture.shape()), *request().noise_level);
  const Shape latent{1, image.height_px(), image.width_px(), model_.latent_channels()};
  LatentTask task{model_, prompts_, sampling_, batch, {.noise = noise.start(device(), latent)}, noise.step_kind()};
  task.network = upscale_network(model_.unet(), {.context = context_of(prompts_, sampling_),
                                                 .noised_picture = noised,
                                                 .noise_level = static_cast<int32_t>(*request().noise_level),
                                                 .guidance_scale = *sampling_.guidance_scale,
                                                 .grid = grid,
                                                 .rows_at_once = stage_memory_.plan().modes.rows_at_once,
                                                 .observe = watch_cancel(),
                                                 .on_tile = tell_step});
  const auto on_step = [&](const Progress& progress) {
    ++result().times.network_steps;
    if (!stage_memory_.plan().stages_apart && callbacks().is_preview_due()) {
      callbacks().on_preview(preview_(model_, progress.denoised));
    }
    step = progress.step;
    tell_step(0);
  };
  return draw_latent(task, noise.steps(), {.on_step = on_step, .cancel = callbacks().cancel});
}

Image DiffusionUpscale::decode(const Tensor& latent, const TileGrid& grid) {
  const Timed timed(result().times.decoding);
  stage_memory_.enter(MemoryStage::decoding);
  TileBlend pixels(grid, scale(), Image::kChannels);
  tell({.stage = Stage::decoding, .step = 0, .steps = grid.count(), .tiles = grid.count()});
  for (int64_t tile = 0; tile < grid.count(); ++tile) {
    stop_if_cancelled();
    pixels.add(tile, decode_latent(model_, grid.cut(latent, tile), watch_cancel()));
    tell({.stage = Stage::decoding, .step = tile + 1, .steps = grid.count(), .tiles = grid.count()});
  }
  return image_from(pixels, device());
}

Infotext DiffusionUpscale::describe() const {
  Infotext text{.prompt = sampling_.prompt, .negative_prompt = sampling_.negative_prompt, .fields = {}};
  const auto add = [&](std::string key, std::string value) {
    text.fields.push_back({std::move(key), std::move(value)});
  };
  add("Steps", std::to_string(*sampling_.steps));
  add("Sampler", *sampling_.sampler);
  add("Schedule type", *sampling_.schedule);
  add("CFG scale", fmt::format("{}", *sampling_.guidance_scale));
  add("Seed", std::to_string(*request().seed));
  add("Noise level", std::to_string(*request().noise_level));
  if (request().image_seed) add("Image seed", std::to_string(*request().image_seed));
  if (sampling_.eta) add("Eta", fmt::format("{}", *sampling_.eta));
  add("RNG", rng_label(*request().rng));
  add("Upscaler", model_.name());
  add("Upscale by", fmt::format("{}", *request().factor));
  return text;
}

std::string_view DiffusionUpscale::watermark_text() const { return kWatermarkSd2; }

}  // namespace easel
