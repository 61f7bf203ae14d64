#include "easel/image/watermark.h"

#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "easel/base/error.h"
#include "easel/image/codec.h"

namespace easel::cli {
namespace {

constexpr std::array kKnownTexts = {kWatermarkSd1, kWatermarkSd2};

// Five standard deviations above the half that chance gives.
bool is_found(const WatermarkMatch& match) {
  const auto bits = static_cast<double>(8 * match.text.size());
  return match.agreement >= 0.5 + 5 * 0.5 / std::sqrt(bits);
}

struct WatermarkArgs {
  std::string file;
  bool json = false;
};

void print_json(const std::string& file, const std::optional<WatermarkMatch>& match) {
  nlohmann::ordered_json json{{"file", file}, {"found", match && is_found(*match)}};
  if (match) {
    json["text"] = match->text;
    json["agreement"] = match->agreement;
  }
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void run(const WatermarkArgs& args) {
  const std::optional<WatermarkMatch> match = match_watermark(load_image(args.file).image, kKnownTexts);
  if (args.json) return print_json(args.file, match);
  if (!match) {
    fmt::print("no watermark: the image has fewer than {} pixels\n", kMinWatermarkPixels);
  } else if (!is_found(*match)) {
    fmt::print("no watermark (the nearest, {}, agrees in {:.0f} % of its bits)\n", match->text, 100 * match->agreement);
  } else {
    fmt::print("{} ({:.0f} % of its bits)\n", match->text, 100 * match->agreement);
  }
}

}  // namespace

void add_watermark_command(CLI::App& app) {
  auto args = std::make_shared<WatermarkArgs>();
  CLI::App* command = app.add_subcommand("watermark", "Read the invisible watermark of an image");
  command->add_option("file", args->file, "PNG, JPEG or WebP file")->required();
  command->add_flag("--json", args->json, "Print as JSON");
  command->callback([args] { run(*args); });
}

}  // namespace easel::cli
