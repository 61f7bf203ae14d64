#include "easel/image/watermark.h"

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/output_files.h"
#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/image/codec.h"
#include "easel/image/metadata.h"

namespace easel::cli {
namespace {

constexpr std::array kKnownTexts = {kWatermarkSd1, kWatermarkSd2};

struct WatermarkArgs {
  std::string file;
  std::optional<std::string> text = {};  // to look for, or to write
  bool write = false;
  std::optional<std::string> output = {};
  bool json = false;
};

void print_json(const std::string& file, const std::optional<WatermarkMatch>& match) {
  nlohmann::ordered_json json{{"file", file}, {"found", match && match->is_certain()}};
  if (match) {
    json["text"] = match->text;
    json["agreement"] = match->agreement;
  }
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void read_mark(const WatermarkArgs& args) {
  std::vector<std::string_view> texts(kKnownTexts.begin(), kKnownTexts.end());
  if (args.text) texts = {*args.text};
  const std::optional<WatermarkMatch> match = match_watermark(load_image(args.file).image, texts);
  if (args.json) return print_json(args.file, match);
  if (!match) {
    fmt::print("no watermark: the image has fewer than {} pixels\n", kMinWatermarkPixels);
  } else if (!match->is_certain()) {
    fmt::print("no watermark (the nearest, {}, agrees in {:.0f} % of its bits)\n", match->text, 100 * match->agreement);
  } else {
    fmt::print("{} ({:.0f} % of its bits)\n", match->text, 100 * match->agreement);
  }
}

// The settings in the file stay in it.
void write_mark(const WatermarkArgs& args) {
  const std::vector<std::byte> file = read_file(args.file, kMaxImageFileBytes);
  Image image = decode_image(file, args.file).image;
  const std::string text = args.text.value_or(std::string(kWatermarkSd1));
  check_watermark_text(text);
  if (!write_watermark_inplace(image, text)) {
    throw Error(ErrorCode::invalid_request, "{}: a watermark needs an image of at least {} pixels, this one has {}x{}",
                args.file, kMinWatermarkPixels, image.width_px(), image.height_px());
  }
  const auto parameters = generation_parameters(read_image_texts(file, args.file));
  save_to(*args.output, image, parameters.value_or(""));
  fmt::print("{}\n", *args.output);
}

void run(const WatermarkArgs& args) {
  if (args.write != args.output.has_value()) {
    throw Error(ErrorCode::invalid_request, "--write and -o FILE belong together: the marked image goes to FILE");
  }
  if (args.write && args.json) throw Error(ErrorCode::invalid_request, "--json is for reading, not for --write");
  args.write ? write_mark(args) : read_mark(args);
}

}  // namespace

void add_watermark_command(CLI::App& app) {
  auto args = std::make_shared<WatermarkArgs>();
  CLI::App* command = app.add_subcommand("watermark", "Read or write the invisible watermark of an image");
  command->add_option("file", args->file, "PNG, JPEG or WebP file")->required();
  command->add_option("--text", args->text, "What to look for, or to write [StableDiffusionV1, SDV2]")
      ->type_name("TEXT");
  command->add_flag("--write", args->write, "Write it");
  command->add_option("-o,--output", args->output, "Where the marked image goes: .png, .jpg or .webp")
      ->type_name("FILE");
  command->add_flag("--json", args->json, "Print as JSON");
  command->callback([args] { run(*args); });
}

}  // namespace easel::cli
