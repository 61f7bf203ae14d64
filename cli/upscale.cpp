#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/interrupt_watch.h"
#include "cli/model_options.h"
#include "cli/output_files.h"
#include "cli/progress.h"
#include "cli/summary.h"
#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/pipeline/upscaler.h"

namespace easel::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr const char* kDiffusion = "diffusion";
constexpr const char* kLanczos = "lanczos";

struct UpscaleArgs {
  std::string image;
  std::string output;
  std::string upscaler = kDiffusion;
  UpscaleRequest request = {};
  std::optional<int64_t> seed = {};  // -1: random
  bool no_watermark = false;
  ModelArgs model = {};
  bool quiet = false;
  bool json = false;
};

void add_image_options(CLI::App& command, UpscaleArgs& args) {
  const std::string group = "Image";
  UpscaleRequest& request = args.request;
  command.add_option("image", args.image, "PNG, JPEG or WebP file")->required()->type_name("FILE")->group(group);
  command.add_option("-o,--output", args.output, "File for the result: .png, .jpg or .webp")
      ->required()
      ->type_name("FILE")
      ->group(group);
  command
      .add_option(
          "--upscaler", args.upscaler,
          "diffusion (the x4 upscaler, with --ckpt), lanczos (plain resizing), or the file of an ESRGAN network")
      ->capture_default_str()
      ->type_name("NAME|FILE")
      ->group(group);
  command.add_option("--factor", request.factor, "How many times as large [2 with lanczos, else the network's]")
      ->type_name("X")
      ->group(group);
  command
      .add_option("--tile", request.tile_px,
                  "Side of the tiles that networks work on, in pixels of the image, a "
                  "multiple of 8 [as memory allows, up to 256]")
      ->type_name("N")
      ->group(group);
  command.add_option("--overlap", request.overlap_px, "Pixels that neighbouring tiles share, a multiple of 8 [32]")
      ->type_name("N")
      ->group(group);
  command.add_flag("--no-watermark", args.no_watermark, "Do not write the invisible watermark")->group(group);
  command.add_option("--watermark", request.watermark_text, "Its text, up to 64 bytes [SDV2]")
      ->type_name("TEXT")
      ->group(group);
  command.add_flag("--quiet,-q", args.quiet, "Say nothing but warnings and errors")->group(group);
  command.add_flag("--json", args.json, "Print a summary as JSON")->group(group);
}

void add_diffusion_options(CLI::App& command, UpscaleArgs& args) {
  const std::string group = "Diffusion";
  UpscaleRequest& request = args.request;
  command.add_option("--prompt", request.prompt, "What the image shows")->type_name("TEXT")->group(group);
  command.add_option("--negative-prompt", request.negative_prompt, "What to keep away from")
      ->type_name("TEXT")
      ->group(group);
  command
      .add_option("--noise-level,--noise_level", request.noise_level,
                  "Noise put on the image first, 0 to 350: more lets the network invent more [20]")
      ->type_name("N")
      ->group(group);
  command.add_option("--image-seed", request.image_seed, "Seed of that noise alone [it follows --seed]")
      ->type_name("N")
      ->group(group);
  command.add_option("--ddim_steps,--steps", request.steps, "Denoising steps [50]")->type_name("N")->group(group);
  command.add_option("--scale,--cfg-scale", request.guidance_scale, "How closely to follow the prompt [9]")
      ->type_name("X")
      ->group(group);
  command.add_option("--sampler", request.sampler, "See 'easel samplers' [ddim]")->type_name("NAME")->group(group);
  command.add_option("--schedule", request.schedule, "Noise levels of the steps; see 'easel samplers'")
      ->type_name("NAME")
      ->group(group);
  command.add_option("--ddim_eta,--eta", request.eta, "Share of fresh noise at each step, 0 to 1")
      ->type_name("X")
      ->group(group);
  command.add_option("--seed", args.seed, "Where the noise starts from; random if not given, or -1")
      ->type_name("N")
      ->group(group);
  command
      .add_option("--rng", request.rng,
                  "Random numbers as PyTorch draws them on a cpu or gpu; numpy: the start as NumPy's, as the original "
                  "script [cpu]")
      ->type_name("KIND")
      ->group(group);
}

void refuse_with_lanczos(bool given, std::string_view option) {
  if (!given) return;
  throw Error(ErrorCode::invalid_request, "{} is for networks; lanczos has no use for it: leave it out", option);
}

Upscaler open_upscaler(const UpscaleArgs& args) {
  if (args.upscaler == kLanczos) {
    const ModelArgs& model = args.model;
    refuse_with_lanczos(model.checkpoint.has_value(), "--ckpt");
    refuse_with_lanczos(model.config.has_value(), "--config");
    refuse_with_lanczos(model.vae.has_value(), "--vae");
    refuse_with_lanczos(model.prediction.has_value(), "--prediction");
    refuse_with_lanczos(model.low_memory, "--low-memory");
    refuse_with_lanczos(!model.memory_limit.empty(), "--memory-limit");
    refuse_with_lanczos(!model.precision.empty(), "--precision");
    refuse_with_lanczos(model.profile.wanted(), "--profile");
    refuse_with_lanczos(model.threads != 0, "--threads");
    return {};
  }
  ModelArgs model = args.model;
  if (args.upscaler != kDiffusion) {
    if (model.checkpoint) {
      throw Error(ErrorCode::invalid_request, "--upscaler FILE and --ckpt contradict each other; leave one out");
    }
    model.checkpoint = args.upscaler;
  } else if (!model.checkpoint) {
    throw Error(ErrorCode::invalid_request,
                "the diffusion upscaler needs its checkpoint: --ckpt x4-upscaler-ema.safetensors; without one, try "
                "--upscaler lanczos, or --upscaler FILE with an ESRGAN network");
  }
  Upscaler upscaler(pipeline_options(model));
  if (args.upscaler == kDiffusion && upscaler.description().kind != UpscalerKind::diffusion) {
    throw Error(ErrorCode::invalid_request, "{} is an ESRGAN network; say --upscaler {} instead of --ckpt",
                upscaler.description().file, *model.checkpoint);
  }
  return upscaler;
}

UpscaleRequest make_request(const UpscaleArgs& args, const Image& image) {
  UpscaleRequest request = args.request;
  request.image = image;
  request.watermark = !args.no_watermark;
  if (args.seed && *args.seed < -1) {
    throw Error(ErrorCode::invalid_request, "--seed is {}, expected 0 or more, or -1 for a random one", *args.seed);
  }
  if (args.seed && *args.seed >= 0) request.seed = static_cast<uint64_t>(*args.seed);
  return request;
}

double seconds_per_step(const StageTimes& times) {
  return times.network_steps == 0 ? 0.0 : times.sampling.count() / static_cast<double>(times.network_steps);
}

std::string summary_text(const UpscaleResult& result, const UpscalerDescription& upscaler, Seconds total) {
  std::string out = fmt::format("{}x{} with {}", result.image.width_px(), result.image.height_px(), upscaler.name);
  if (result.request.seed) out += fmt::format(", seed {}", *result.request.seed);
  if (result.tiles > 1) out += fmt::format(", {} tiles", result.tiles);
  out += fmt::format(", {:.1f} s", total.count());
  if (result.times.network_steps > 0) out += fmt::format(" ({:.2f} s/step)", seconds_per_step(result.times));
  out += fmt::format(", peak memory {}", format_bytes(peak_resident_bytes()));
  if (upscaler.kind == UpscalerKind::diffusion) out += result.watermarked ? ", watermarked" : ", no watermark";
  return out;
}

std::string summary_json(const UpscaleArgs& args, const UpscaleResult& result, const UpscalerDescription& upscaler,
                         Seconds total, const std::optional<ProfileReport>& profile) {
  const StageTimes& times = result.times;
  Json json{{"file", args.output}, {"width", result.image.width_px()}, {"height", result.image.height_px()}};
  json["upscaler"] = {{"kind", name_of(upscaler.kind)}, {"name", upscaler.name}, {"file", upscaler.file}};
  if (result.request.seed) json["seed"] = *result.request.seed;
  json["parameters"] = result.parameters;
  json["watermark"] = result.watermarked;
  json["tiles"] = result.tiles;
  for (const auto& [stage, seconds] : stage_seconds(times, total)) json["seconds"][stage] = seconds;
  json["steps_done"] = times.network_steps;
  json["seconds_per_step"] = seconds_per_step(times);
  if (result.planned_bytes > 0) json["planned_rss_bytes"] = result.planned_bytes;
  json["peak_rss_bytes"] = peak_resident_bytes();
  json["peak_tensor_bytes"] = result.peak_tensor_bytes;
  json["warnings"] = result.warnings;
  if (profile) json["profile"] = Json::parse(to_json(*profile));
  return json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

void run(const UpscaleArgs& args) {
  const Clock::time_point start = Clock::now();
  catch_interrupts();
  require_writable_file(args.output);
  check_profile(args.model.profile, args.quiet);
  const DecodedImage source = load_image(args.image);
  ProgressPrinter progress(progress_style(args.quiet));
  if (source.alpha) progress.note("note: the transparency of the image is left out");
  if (const std::string note = precision_note(args.model); !note.empty() && !args.quiet) progress.note(note);

  Upscaler upscaler = open_upscaler(args);
  const CancelToken cancel;
  const InterruptWatch watch(cancel);
  UpscaleResult result;
  try {
    result = upscaler.upscale(make_request(args, source.image),
                              {.on_progress = [&](const JobProgress& p) { progress.show(p); },
                               .on_warning = [&](const std::string& text) { progress.note("warning: " + text); },
                               .cancel = cancel});
  } catch (...) {
    progress.clear();
    throw;
  }
  progress.clear();
  save_to(args.output, result.image, result.parameters);

  const Seconds total = Clock::now() - start;
  std::optional<ProfileReport> profile;
  if (args.model.profile.wanted()) profile = upscaler.profile();
  if (profile) save_trace(args.model.profile, *profile);
  if (args.json) {
    fmt::print("{}\n", summary_json(args, result, upscaler.description(), total, profile));
  } else if (!args.quiet) {
    fmt::print("{}\n{}\n", args.output, summary_text(result, upscaler.description(), total));
    if (args.model.profile.table) fmt::print("{}", to_text(*profile));
  }
}

}  // namespace

void add_upscale_command(CLI::App& app) {
  auto args = std::make_shared<UpscaleArgs>();
  CLI::App* command = app.add_subcommand("upscale", "Make an image larger");
  add_image_options(*command, *args);
  add_diffusion_options(*command, *args);
  add_model_options(*command, args->model);
  add_profile_options(*command, args->model.profile);
  command->callback([args] { run(*args); });
}

}  // namespace easel::cli
