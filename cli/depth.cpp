#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/interrupt_watch.h"
#include "cli/model_options.h"
#include "cli/output_files.h"
#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/system.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/pipeline/depth_estimator.h"

namespace easel::cli {
namespace {

struct DepthArgs {
  std::string image;
  std::string output;
  ModelArgs model;
  bool quiet = false;
  bool json = false;
};

void check_output(const std::string& file) {
  require_writable_file(file);
  if (image_format_for(file) == ImageFormat::png) return;
  throw Error(ErrorCode::invalid_request, "{}: a depth map has 16 bits, which only a PNG file holds; name it .png",
              file);
}

DepthOptions depth_options(const ModelArgs& args) {
  DepthOptions options{.checkpoint = find_depth_model(args.checkpoint)};
  options.device = args.device;
  options.threads = args.threads;
  if (!args.memory_limit.empty()) options.memory_limit_bytes = parse_bytes(args.memory_limit);
  options.low_memory = args.low_memory;
  return options;
}

void print_json(const DepthArgs& args, const DepthEstimate& estimate, const std::string& checkpoint) {
  const auto size_json = [](Size size) {
    return nlohmann::ordered_json{{"width", size.width_px}, {"height", size.height_px}};
  };
  const nlohmann::ordered_json json{{"image", args.image},
                                    {"file", args.output},
                                    {"size", size_json(estimate.map.size)},
                                    {"network_size", size_json(estimate.network_size)},
                                    {"farthest", estimate.farthest},
                                    {"nearest", estimate.nearest},
                                    {"model", checkpoint},
                                    {"seconds", estimate.time.count()},
                                    {"planned_rss_bytes", estimate.planned_bytes},
                                    {"peak_rss_bytes", peak_resident_bytes()},
                                    {"peak_tensor_bytes", estimate.peak_tensor_bytes}};
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void print_summary(const DepthArgs& args, const DepthEstimate& estimate) {
  fmt::print("{}\n", args.output);
  fmt::print("depth of {}x{} pixels (seen at {}x{}), {:.1f} s, peak memory {}\n", estimate.map.size.width_px,
             estimate.map.size.height_px, estimate.network_size.width_px, estimate.network_size.height_px,
             estimate.time.count(), format_bytes(peak_resident_bytes()));
}

void run(const DepthArgs& args) {
  catch_interrupts();
  check_output(args.output);
  const Image image = load_image(args.image).image;
  DepthEstimator estimator(depth_options(args.model));
  const CancelToken cancel;
  const InterruptWatch watch(cancel);
  const DepthEstimate estimate = estimator.estimate(image, cancel);
  write_file_whole(args.output, encode_grey16(estimate.map));
  if (args.json) {
    print_json(args, estimate, estimator.file());
  } else if (!args.quiet) {
    print_summary(args, estimate);
  }
}

}  // namespace

void add_depth_command(CLI::App& app) {
  auto args = std::make_shared<DepthArgs>();
  CLI::App* command = app.add_subcommand("depth", "Estimate how near each pixel of an image is");
  command->add_option("image", args->image, "PNG, JPEG or WebP file")->required()->type_name("FILE");
  command->add_option("-o,--output", args->output, "PNG file to write: 16-bit grey, brighter is nearer")
      ->required()
      ->type_name("FILE");
  add_checkpoint_option(*command, args->model);
  add_machine_options(*command, args->model);
  command->add_flag("--quiet,-q", args->quiet, "Say nothing but errors");
  command->add_flag("--json", args->json, "Print a summary as JSON");
  command->callback([args] { run(*args); });
}

}  // namespace easel::cli
