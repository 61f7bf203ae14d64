#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/image/infotext.h"
#include "easel/image/metadata.h"
#include "easel/pipeline/catalogue.h"

namespace easel::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InfoArgs {
  std::string file;
  bool json = false;
};

void print(const Json& json) { fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace)); }

Json to_json(const CheckpointSummary& summary) {
  Json json{{"file", summary.file},
            {"kind", summary.adapter.empty() ? "checkpoint" : summary.adapter},
            {"format", summary.format},
            {"bytes", summary.file_bytes},
            {"family", summary.family_text},
            {"readable", summary.family.has_value() || !summary.adapter.empty()},
            {"tensors", summary.tensor_count},
            {"parameters", summary.parameter_count},
            {"ema_tensors_left_out", summary.ema_tensor_count}};
  for (const auto& [dtype, count] : summary.dtypes) json["dtypes"][dtype] = count;
  for (const ComponentSummary& part : summary.components) {
    json["components"][part.name] = {
        {"tensors", part.tensor_count}, {"parameters", part.parameter_count}, {"bytes", part.bytes}};
  }
  json["metadata"] = summary.metadata;
  return json;
}

void print(const CheckpointSummary& summary) {
  fmt::print("{}: {} ({}, {})\n", summary.file, summary.family_text, summary.format, format_bytes(summary.file_bytes));
  std::vector<std::string> dtypes;
  for (const auto& [dtype, count] : summary.dtypes) dtypes.push_back(fmt::format("{} {}", count, dtype));
  fmt::print("{} tensors ({}), {} parameters\n", summary.tensor_count, fmt::join(dtypes, ", "),
             summary.parameter_count);
  for (const ComponentSummary& part : summary.components) {
    fmt::print("  {:<13} {:>5} tensors {:>12} parameters {:>8}\n", part.name, part.tensor_count, part.parameter_count,
               format_bytes(part.bytes));
  }
  if (summary.ema_tensor_count > 0) fmt::print("{} model_ema tensors are left out\n", summary.ema_tensor_count);
  for (const auto& [key, value] : summary.metadata) fmt::print("{}: {}\n", key, value);
}

std::string_view name_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::png: return "PNG";
    case ImageFormat::jpeg: return "JPEG";
    case ImageFormat::webp: break;
  }
  return "WebP";
}

Json to_json(const Infotext& text) {
  Json json{{"prompt", text.prompt}, {"negative_prompt", text.negative_prompt}};
  for (const InfotextField& field : text.fields) json["fields"][field.key] = field.value;
  return json;
}

void describe_image(const InfoArgs& args, ImageFormat format, std::span<const std::byte> bytes) {
  const DecodedImage decoded = decode_image(bytes, args.file);
  const Size size = decoded.image.size();
  const std::vector<ImageText> texts = read_image_texts(bytes, args.file);
  const std::optional<std::string> parameters = generation_parameters(texts);
  if (args.json) {
    Json json{{"file", args.file},
              {"kind", "image"},
              {"format", name_of(format)},
              {"width", size.width_px},
              {"height", size.height_px}};
    if (parameters) {
      json["parameters"] = *parameters;
      json["settings"] = to_json(parse_infotext(*parameters));
    }
    return print(json);
  }
  fmt::print("{}: {}, {}x{}\n", args.file, name_of(format), size.width_px, size.height_px);
  if (parameters) fmt::print("{}\n", *parameters);
  for (const ImageText& text : texts) {
    if (text.text != parameters) fmt::print("{}: {}\n", text.keyword, text.text);
  }
}

void run(const InfoArgs& args) {
  const auto file = MappedFile::open(args.file);
  if (const auto format = sniff_image_format(file->bytes())) return describe_image(args, *format, file->bytes());
  const CheckpointSummary summary = inspect_file(args.file);
  args.json ? print(to_json(summary)) : print(summary);
}

}  // namespace

void add_info_command(CLI::App& app) {
  auto args = std::make_shared<InfoArgs>();
  CLI::App* command = app.add_subcommand("info", "Tell what an image or a checkpoint contains");
  command->add_option("file", args->file, "Image or checkpoint")->required();
  command->add_flag("--json", args->json, "Print as JSON");
  command->callback([args] { run(*args); });
}

}  // namespace easel::cli
