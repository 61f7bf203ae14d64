#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/interrupt_watch.h"
#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/base/text.h"
#include "easel/pipeline/catalogue.h"

namespace easel::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShownTensors = 20;

struct ConvertArgs {
  std::string in;
  std::string out;
  std::string type;
  bool keep_convolutions = false;
  bool overwrite = false;
  bool all = false;
  bool quiet = false;
  bool json = false;
};

ConvertOptions options_of(const ConvertArgs& args) {
  ConvertOptions options{.keep_convolutions = args.keep_convolutions, .overwrite = args.overwrite};
  if (args.type.empty()) return options;
  options.type = conversion_type(args.type);
  if (!options.type) {
    throw Error(ErrorCode::invalid_request, "--type: '{}' is unknown; expected {}", args.type,
                fmt::join(conversion_type_names(), ", "));
  }
  return options;
}

// "  45 % of 1.2 GB", in place, on a terminal.
void show_progress(uint64_t done_bytes, uint64_t all_bytes) {
  static uint64_t shown_percent = 101;
  const uint64_t percent = all_bytes == 0 ? 100 : done_bytes * 100 / all_bytes;
  if (percent == shown_percent) return;
  shown_percent = percent;
  fmt::print(stderr, "\r{:>3} % of {}{}", percent, format_bytes(all_bytes), percent == 100 ? "\n" : "");
}

void print_json(const ConvertArgs& args, const Conversion& conversion) {
  Json json{{"in", args.in},           {"in_format", conversion.in_format},   {"in_bytes", conversion.in_bytes},
            {"out", args.out},         {"out_format", conversion.out_format}, {"out_bytes", conversion.out_bytes},
            {"tensors", Json::array()}};
  for (const TensorChange& change : conversion.tensors) {
    json["tensors"].push_back({{"name", change.name},
                               {"shape", change.shape.dims()},
                               {"from", name_of(change.from)},
                               {"to", name_of(change.to)},
                               {"relative_error", change.relative_error},
                               {"largest_error", change.largest_error}});
  }
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string counts_by_type(const Conversion& conversion) {
  std::map<std::string, int64_t> counts;
  for (const TensorChange& change : conversion.tensors) ++counts[std::string(name_of(change.to))];
  std::vector<std::string> parts;
  for (const auto& [type, count] : counts) parts.push_back(fmt::format("{} {}", count, type));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void print_text(const ConvertArgs& args, const Conversion& conversion) {
  if (args.quiet) return;
  size_t shown = 0;
  for (const TensorChange& change : conversion.tensors) {
    if (change.from == change.to || change.largest_error == 0) continue;
    if (shown == 0) fmt::print("{:>9} {:>9}  {:<13} tensor\n", "RMS error", "largest", "type");
    if (++shown > kShownTensors && !args.all) continue;
    fmt::print("{:>7.3f} % {:>9.2g}  {:<13} {} {}\n", 100 * change.relative_error, change.largest_error,
               fmt::format("{} > {}", name_of(change.from), name_of(change.to)), change.name, change.shape);
  }
  if (shown > kShownTensors && !args.all) {
    fmt::print("and {} tensors with smaller errors (--all, --json)\n", shown - kShownTensors);
  }
  fmt::print("{}: {}, {} ({}, {})\n", args.out, conversion.out_format, format_bytes(conversion.out_bytes),
             counts_by_type(conversion), shown == 0 ? "no value has changed" : "errors relative to each tensor's RMS");
}

void run(const ConvertArgs& args) {
  ConvertOptions options = options_of(args);
  catch_interrupts();
  const InterruptWatch watch(options.cancel);
  if (!args.quiet && standard_error_is_terminal()) options.progress = show_progress;
  const Conversion conversion = convert_checkpoint(args.in, args.out, options);
  args.json ? print_json(args, conversion) : print_text(args, conversion);
}

}  // namespace

void add_convert_command(CLI::App& app) {
  auto args = std::make_shared<ConvertArgs>();
  CLI::App* command = app.add_subcommand("convert", "Write a checkpoint in another format, or with smaller weights");
  command->add_option("in", args->in, "Checkpoint: .safetensors, .gguf, .ckpt")->required()->type_name("FILE");
  command->add_option("out", args->out, "File to write: .safetensors or .gguf")->required()->type_name("FILE");
  command
      ->add_option("--type", args->type,
                   fmt::format("Of the weights: {} [as they are]", fmt::join(conversion_type_names(), ", ")))
      ->type_name("TYPE");
  command->add_flag("--keep-convolutions", args->keep_convolutions,
                    "Do not quantise convolutions: for programs that cannot read such");
  command->add_flag("--overwrite", args->overwrite, "Replace the file if it is there");
  command->add_flag("--all", args->all, "List every tensor that has changed, not the worst 20 alone");
  command->add_flag("--quiet,-q", args->quiet, "Say nothing but errors");
  command->add_flag("--json", args->json, "Print the report as JSON");
  command->callback([args] { run(*args); });
}

}  // namespace easel::cli
