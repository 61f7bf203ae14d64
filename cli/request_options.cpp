#include "cli/request_options.h"

#include <CLI/CLI.hpp>

#include "cli/choice_option.h"
#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/text.h"

namespace easel::cli {
namespace {

constexpr uint64_t kMaxPromptFileBytes = 16 * 1024 * 1024;

void add_prompt_options(CLI::App& command, RequestArgs& args) {
  const std::string group = "Prompt";
  command.add_option("prompt,--prompt", args.prompt, "What to draw")->type_name("TEXT")->group(group);
  command.add_option("--negative-prompt", args.request.negative_prompt, "What to keep away from")
      ->type_name("TEXT")
      ->group(group);
  command.add_flag("--plain-prompt", args.request.plain_prompt, "Take brackets, AND and BREAK for ordinary words")
      ->group(group);
  command
      .add_option("--clip-skip", args.request.clip_skip, "Stop the text encoder so many layers before its end, from 1")
      ->type_name("N")
      ->group(group);
  command.add_option("--from-file", args.from_file, "A prompt from each line of a file, an image for each")
      ->type_name("FILE")
      ->group(group);
  command.add_option("--repeat", args.repeat, "Each line of --from-file so often")->type_name("N")->group(group);
}

void add_image_options(CLI::App& command, RequestArgs& args) {
  const std::string group = "Images";
  Request& request = args.request;
  command.add_option("--W,--width", request.width_px, "Width in pixels, a multiple of 64")
      ->type_name("N")
      ->group(group);
  command.add_option("--H,--height", request.height_px, "Height in pixels, a multiple of 64")
      ->type_name("N")
      ->group(group);
  command.add_option("--n_samples,--batch-size", request.batch_size, "Images made together")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  command.add_option("--n_iter,--batch-count", request.batch_count, "How often")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  command.add_option("--C", args.latent_channels, "Latent channels: 4")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  command.add_option("--f", args.downsampling, "Pixels of a latent's pixel: 8")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  command.add_flag("--tiling", request.tiling, "Opposite edges fit: the image can be laid side by side without a seam")
      ->group(group);
  command.add_flag("--no-watermark", args.no_watermark, "Do not write the invisible watermark")->group(group);
  command.add_option("--watermark", request.watermark_text, "Its text, up to 64 bytes [StableDiffusionV1, or SDV2]")
      ->type_name("TEXT")
      ->group(group);
}

void add_sampling_options(CLI::App& command, RequestArgs& args) {
  const std::string group = "Sampling";
  Request& request = args.request;
  command.add_option("--ddim_steps,--steps", request.steps, "Denoising steps")->type_name("N")->group(group);
  command.add_option("--scale,--cfg-scale", request.guidance_scale, "How closely to follow the prompt")
      ->type_name("X")
      ->group(group);
  command.add_option("--sampler", args.sampler, "See 'easel samplers'; \"DPM++ 2M Karras\" is understood too")
      ->type_name("NAME")
      ->group(group);
  command.add_option("--schedule", args.schedule, "Noise levels of the steps; see 'easel samplers'")
      ->type_name("NAME")
      ->group(group);
  command.add_flag("--plms", args.plms, "Same as --sampler plms")->group(group);
  command.add_flag("--dpm_solver,--dpm", args.dpm_solver, "Same as --sampler dpm_solver")->group(group);
  command.add_option("--ddim_eta,--eta", args.eta, "Share of fresh noise at each step, 0 to 1")
      ->type_name("X")
      ->group(group);
  command.add_option("--seed", args.seed, "Where the noise starts from; random if not given, or -1")
      ->type_name("N")
      ->group(group);
  command.add_option("--rng", request.rng, "Random numbers as PyTorch draws them on a cpu or gpu, or as numpy")
      ->capture_default_str()
      ->type_name("KIND")
      ->group(group);
  command
      .add_option("--batch-noise", args.batch_noise,
                  "per-image: image i is that of seed + i; compvis: drawn for all at once, as the original scripts")
      ->capture_default_str()
      ->type_name("KIND")
      ->group(group);
  command.add_flag("--fixed_code", request.fixed_code, "Every batch starts from the same noise")->group(group);
}

// As the original scripts read it: an empty line is an empty prompt.
std::vector<std::string> read_lines(const std::string& file) {
  std::string text = read_text_file(file, kMaxPromptFileBytes);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);  // byte order mark
  if (text.ends_with('\n')) text.pop_back();
  std::vector<std::string> lines = text.empty() ? std::vector<std::string>() : split(text, '\n');
  for (std::string& line : lines) {
    if (line.ends_with('\r')) line.pop_back();
  }
  if (lines.empty()) throw Error(ErrorCode::invalid_request, "{}: holds no prompt", file);
  return lines;
}

std::vector<std::string> prompts_from_file(const RequestArgs& args) {
  const int64_t repeat = args.repeat.value_or(1);
  if (repeat < 1 || repeat > static_cast<int64_t>(kMaxPrompts)) {
    throw Error(ErrorCode::invalid_request, "--repeat is {}, expected 1 to {}", repeat, kMaxPrompts);
  }
  const std::vector<std::string> lines = read_lines(*args.from_file);
  if (lines.size() * static_cast<size_t>(repeat) > kMaxPrompts) {
    throw Error(ErrorCode::invalid_request, "{}: {} lines, {} times each, are more than {} prompts", *args.from_file,
                lines.size(), repeat, kMaxPrompts);
  }
  std::vector<std::string> prompts;
  for (const std::string& line : lines) prompts.insert(prompts.end(), static_cast<size_t>(repeat), line);
  return prompts;
}

void read_prompt(const RequestArgs& args, Request& request) {
  if (args.from_file && args.prompt) {
    throw Error(ErrorCode::invalid_request, "--prompt and --from-file contradict each other; leave one out");
  }
  if (args.repeat && !args.from_file) {
    throw Error(ErrorCode::invalid_request, "--repeat is for --from-file; for more images say --n_iter or --n_samples");
  }
  if (args.from_file) {
    request.prompts = prompts_from_file(args);
  } else if (args.prompt) {
    request.prompt = *args.prompt;
  } else if (!args.like) {
    throw Error(ErrorCode::invalid_request, "what shall be drawn? Say it with --prompt \"a red bird\", or --from-file");
  }
}

// A sampler that is asked for does not take the schedule and eta of an image's with it.
void choose_sampler(const RequestArgs& args, Request& request) {
  const int chosen = int{args.plms} + int{args.dpm_solver} + int{args.sampler.has_value()};
  if (chosen > 1) {
    throw Error(ErrorCode::invalid_request,
                "more than one sampler is chosen; give one of --plms, --dpm_solver, --sampler");
  }
  if (chosen == 1) {
    request.sampler = args.plms ? "plms" : args.dpm_solver ? "dpm_solver" : *args.sampler;
    request.schedule.reset();
    request.eta.reset();
  }
  if (args.schedule) request.schedule = args.schedule;
  if (args.eta) request.eta = args.eta;
}

void check_latent(const RequestArgs& args) {
  if (args.latent_channels != 4) {
    throw Error(ErrorCode::invalid_request, "--C is {}, but the latents of Stable Diffusion have 4 channels",
                args.latent_channels);
  }
  if (args.downsampling != 8) {
    throw Error(ErrorCode::invalid_request, "--f is {}, but the latents of Stable Diffusion are 8 times smaller",
                args.downsampling);
  }
}

void add_variation_options(CLI::App& command, RequestArgs& args) {
  const std::string group = "Variations";
  command
      .add_option("--variation-strength", args.request.variation_strength,
                  "How far each image goes towards another seed's: 0 to 1")
      ->type_name("X")
      ->group(group);
  command.add_option("--variation-seed", args.request.variation_seed, "That seed, for image i plus i [random]")
      ->type_name("N")
      ->group(group);
}

void add_less_work_options(CLI::App& command, RequestArgs& args) {
  const std::string group = "Less work";
  Request& request = args.request;
  command
      .add_option("--tome", request.token_merging_ratio,
                  "Merge this share of the tokens that are most alike, 0 to 0.75")
      ->type_name("RATIO")
      ->group(group);
  command
      .add_option("--cache", request.cache_interval,
                  "Compute the whole network at every Nth call only, a small part of it at the others")
      ->type_name("N")
      ->group(group);
  command.add_option("--cache-branch", request.cache_branch, "How large that part is; 0: the smallest [0]")
      ->type_name("B")
      ->group(group);
}

void add_like_option(CLI::App& command, RequestArgs& args) {
  const auto take_settings = [&args](const std::string& file) {
    args.like = load_settings(file, args.request.task);
    args.request = args.like->request;
    args.batch_noise = std::string(choice_name(args.request.noise_order));
  };
  command
      .add_option_function<std::string>("--like", take_settings, "As this image was made; other options change that")
      ->type_name("IMAGE")
      ->group("Prompt");
}

}  // namespace

void add_hires_options(CLI::App& command, RequestArgs& args) {
  const std::string group = "Second pass (hires fix)";
  Request& request = args.request;
  command.add_option("--hires-scale", request.hires_scale, "Enlarge so much and draw over it, 1 to 8")
      ->type_name("X")
      ->group(group);
  command
      .add_option("--hires-upscaler", request.hires_upscaler,
                  "What enlarges it: latent, lanczos, nearest, or an ESRGAN network by name or file [latent]")
      ->type_name("NAME")
      ->group(group);
  command.add_option("--hires-steps", request.hires_steps, "Steps of the second pass [as --steps]")
      ->type_name("N")
      ->group(group);
  command.add_option("--hires-strength", request.hires_strength, "How much the second pass changes [0.7]")
      ->type_name("X")
      ->group(group);
}

void add_request_options(CLI::App& command, RequestArgs& args) {
  add_like_option(command, args);  // the options that come after it are written over what it read
  add_prompt_options(command, args);
  add_image_options(command, args);
  add_sampling_options(command, args);
  add_variation_options(command, args);
  add_less_work_options(command, args);
}

Request make_request(const RequestArgs& args) {
  Request request = args.request;
  check_latent(args);
  read_prompt(args, request);
  choose_sampler(args, request);
  if (args.seed && *args.seed < -1) {
    throw Error(ErrorCode::invalid_request, "--seed is {}, expected 0 or more, or -1 for a random one", *args.seed);
  }
  if (args.seed) request.seed.reset();
  if (args.seed && *args.seed >= 0) request.seed = static_cast<uint64_t>(*args.seed);
  request.noise_order = parse_choice<NoiseOrder>(args.batch_noise);
  request.watermark = !args.no_watermark;
  check(request);
  return request;
}

}  // namespace easel::cli
