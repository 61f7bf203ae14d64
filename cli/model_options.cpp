#include "cli/model_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/assets.h"

namespace easel::cli {
namespace {

using Unit = std::pair<std::string_view, double>;
constexpr std::array kUnits = {Unit{"", 1.0},      Unit{"b", 1.0},   Unit{"k", 1e3},      Unit{"kb", 1e3},
                               Unit{"m", 1e6},     Unit{"mb", 1e6},  Unit{"g", 1e9},      Unit{"gb", 1e9},
                               Unit{"t", 1e12},    Unit{"tb", 1e12}, Unit{"kib", 0x1p10}, Unit{"mib", 0x1p20},
                               Unit{"gib", 0x1p30}};
constexpr double kMaxBytes = 1e15;

constexpr const char* kModelGroup = "Model";
constexpr const char* kMachineGroup = "Machine";

Precision precision_of(const ModelArgs& args) {
  constexpr std::array kPrecisions = {std::pair{"", Precision::automatic}, std::pair{"autocast", Precision::automatic},
                                      std::pair{"full", Precision::full},  std::pair{"f16", Precision::f16},
                                      std::pair{"bf16", Precision::bf16},  std::pair{"int8", Precision::int8},
                                      std::pair{"fp8", Precision::fp8}};
  for (const auto& [name, precision] : kPrecisions) {
    if (args.precision == name) return precision;
  }
  throw Error(ErrorCode::invalid_request, "--precision is '{}', expected full, autocast, f16, bf16, int8 or fp8",
              args.precision);
}

}  // namespace

void add_checkpoint_option(CLI::App& command, ModelArgs& args) {
  command.add_option("--ckpt,--model", args.checkpoint, "Checkpoint file, or the name of one in the models folder")
      ->type_name("FILE")
      ->group(kModelGroup);
}

void add_model_options(CLI::App& command, ModelArgs& args) {
  const std::string group = kModelGroup;
  add_checkpoint_option(command, args);
  command.add_option("--config", args.config, "Configuration of the original scripts (v2-inference-v.yaml, ...)")
      ->type_name("FILE")
      ->group(group);
  command.add_option("--vae", args.vae, "VAE to use instead of the checkpoint's; may be a tiny one (TAESD)")
      ->type_name("FILE")
      ->group(group);
  command.add_option("--prediction", args.prediction, "What the network predicts: eps or v; found out if not given")
      ->type_name("KIND")
      ->group(group);
  add_machine_options(command, args);
  command
      .add_option(
          "--precision", args.precision,
          "autocast (f16 on a card, full on a processor), full, f16 (on a card), bf16 (on a card, or a processor "
          "with AMX or AVX512_BF16), int8 (on a card, or a processor with VNNI) or fp8 (on a card of compute "
          "capability 8.9 or higher); images differ a little")
      ->type_name("KIND")
      ->group(kMachineGroup);
}

void add_preview_option(CLI::App& command, ModelArgs& args) {
  command.add_option("--preview-vae", args.preview_vae, "Tiny VAE (TAESD) that shows unfinished images")
      ->type_name("FILE")
      ->group(kModelGroup);
}

void add_machine_options(CLI::App& command, ModelArgs& args) {
  const std::string machine = kMachineGroup;
  command
      .add_option(
          "--device", args.device,
          "What computes: cpu, cuda:0, ..., or auto: a card if there is one (the default once that is verified)")
      ->capture_default_str()
      ->type_name("NAME")
      ->group(machine);
  command.add_option("--threads", args.threads, "Threads; 0: one for each processor")
      ->capture_default_str()
      ->type_name("N")
      ->group(machine);
  command.add_option("--memory-limit", args.memory_limit, "Use at most so much memory: 6GB, 500MB")
      ->type_name("SIZE")
      ->group(machine);
  command.add_flag("--low-memory", args.low_memory, "Take 480 MB at most, or as little as there can be, and more time")
      ->group(machine);
}

PipelineOptions pipeline_options(const ModelArgs& args) {
  PipelineOptions options{.checkpoint = find_model(args.checkpoint)};
  if (args.config) options.config = *args.config;
  if (args.vae) options.vae = *args.vae;
  if (args.preview_vae) options.preview_vae = *args.preview_vae;
  options.prediction = args.prediction;
  options.device = args.device;
  options.threads = args.threads;
  if (!args.memory_limit.empty()) options.memory_limit_bytes = parse_bytes(args.memory_limit);
  options.low_memory = args.low_memory;
  options.adapters = args.adapters;
  options.upscalers = args.upscalers;
  options.precision = precision_of(args);
  options.profile = args.profile.wanted();
  return options;
}

std::string precision_note(const ModelArgs& args) {
  const auto has_card = [] {
    const std::vector<DeviceInfo> devices = list_devices().devices;
    return std::any_of(devices.begin() + 1, devices.end(),
                       [](const DeviceInfo& device) { return device.unusable_because.empty(); });
  };
  const bool is_told = args.precision == "autocast" || args.precision == "int8" || args.precision == "bf16";
  if (!is_told || (args.device != "cpu" && (args.device != "auto" || has_card()))) return {};  // of a processor only
  if (args.precision == "autocast") return "note: --precision autocast: a processor computes in full precision (f32)";
  if (args.precision == "int8" && !int8_is_fast()) {
    return "note: --precision int8: this processor has no VNNI, so it saves memory but no time";
  }
  if (args.precision != "bf16") return {};
  if (const std::string_view reason = bf16_unusable_because(); !reason.empty()) {
    return fmt::format("note: --precision bf16: {}, so it computes in full precision (f32)", reason);
  }
  if (!bf16_is_fast()) {
    return "note: --precision bf16: this processor has no instructions for bf16, so it saves no time";
  }
  return {};
}

uint64_t parse_bytes(const std::string& text) {
  double number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string name = lower_ascii(trim(std::string_view(result.ptr, text.data() + text.size())));
  for (const auto& [unit, factor] : kUnits) {
    if (result.ec == std::errc() && name == unit && number > 0 && number * factor <= kMaxBytes) {
      return static_cast<uint64_t>(number * factor);
    }
  }
  throw Error(ErrorCode::invalid_request, "the size '{}' cannot be read, expected something like 6GB or 500MB", text);
}

}  // namespace easel::cli
