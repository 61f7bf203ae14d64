#include "cli/adapter_options.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/pipeline/request_names.h"

namespace easel::cli {
namespace {

// Where NAME ends in "NAME:0.8" or "NAME:0.5:0.8"; a path may have colons of its own.
size_t name_length(const std::string& text) {
  size_t end = text.size();
  for (int weights = 0; weights < 2; ++weights) {
    const size_t colon = text.rfind(':', end - 1);
    if (colon == std::string::npos || colon == 0 || !parse_number<double>(text.substr(colon + 1, end - colon - 1)))
      break;
    end = colon;
  }
  return end;
}

// Takes ":START-END" and ":WEIGHT" off the end of `text`, where they are.
void take_settings(std::string& text, ControlChoice& choice) {
  const auto last = [&] { return text.rfind(':'); };
  if (const size_t colon = last(); colon != std::string::npos) {
    const std::string range = text.substr(colon + 1);
    const size_t dash = range.find('-', 1);
    const auto start = parse_number<double>(range.substr(0, dash));
    const auto end = dash == std::string::npos ? std::nullopt : parse_number<double>(range.substr(dash + 1));
    if (start && end) {
      choice.start = *start;
      choice.end = *end;
      text.erase(colon);
    }
  }
  if (const size_t colon = last(); colon != std::string::npos) {
    const auto weight = parse_number<double>(text.substr(colon + 1));
    if (!weight) return;
    choice.weight = *weight;
    text.erase(colon);
  }
}

// NAME=[PREPROCESSOR@][IMAGE][:WEIGHT[:START-END]]
ControlChoice parse_control(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(
        ErrorCode::invalid_request,
        "--control '{}' is not understood; expected NAME=IMAGE, NAME=canny@IMAGE or NAME=IMAGE:WEIGHT:START-END", text);
  }
  ControlChoice choice{.model = text.substr(0, equals)};
  std::string rest = text.substr(equals + 1);
  take_settings(rest, choice);
  std::error_code ignored;
  const size_t at = rest.find('@');
  if (at != std::string::npos && !std::filesystem::exists(rest, ignored)) {
    choice.preprocessor = parse_choice<ControlPreprocessor>(rest.substr(0, at));
    rest.erase(0, at + 1);
  }
  if (!rest.empty()) choice.image = load_image(rest).image;
  return choice;
}

bool is_path(const std::string& name) {
  std::error_code ignored;
  return name.find('/') != std::string::npos || std::filesystem::is_regular_file(name, ignored);
}

// The name by which the request asks for an adapter: of a file, its own without the ending.
std::string name_for(AdapterKind kind, const std::string& name, ModelArgs& model) {
  if (!is_path(name)) return name;
  model.adapters.push_back(adapter_file(kind, name));
  return model.adapters.back().name;
}

void read_controls(const AdapterArgs& args, Request& request, ModelArgs& model) {
  bool finds_edges = false;
  for (const std::string& text : args.controls) {
    ControlChoice choice = parse_control(text);
    choice.model = name_for(AdapterKind::control_net, choice.model, model);
    if (choice.preprocessor == ControlPreprocessor::canny) {
      finds_edges = true;
      choice.canny_low = args.canny_low;
      choice.canny_high = args.canny_high;
    }
    request.controls.push_back(std::move(choice));
  }
  if ((args.canny_low || args.canny_high) && !finds_edges) {
    throw Error(ErrorCode::invalid_request,
                "--canny-low and --canny-high are for edges that easel finds: say --control NAME=canny@IMAGE");
  }
}

}  // namespace

void add_adapter_options(CLI::App& command, AdapterArgs& args) {
  const std::string group = "Adapters";
  command
      .add_option("--lora", args.loras,
                  "LoRA by name or file, with a weight [1] or two (text encoder, UNet); several times for several. "
                  "In a prompt: <lora:NAME:0.8>")
      ->type_name("NAME[:WEIGHT]")
      ->allow_extra_args(false)
      ->group(group);
  command
      .add_option(
          "--control", args.controls,
          "ControlNet by name or file, and the picture that it follows: edges, depth, a scribble or a pose as it "
          "needs them, or canny@IMAGE, depth@IMAGE to have them found; without IMAGE the initial image. Weight "
          "[1], share of the steps [0-1]; several times for several")
      ->type_name("NAME=[canny@]IMAGE[:WEIGHT[:START-END]]")
      ->allow_extra_args(false)
      ->group(group);
  command.add_option("--canny-low", args.canny_low, "canny@: edges go on where the slope is above [100]")
      ->type_name("N")
      ->group(group);
  command.add_option("--canny-high", args.canny_high, "canny@: edges begin where the slope is above [200]")
      ->type_name("N")
      ->group(group);
}

void read_adapters(const AdapterArgs& args, Request& request, ModelArgs& model) {
  if (!args.loras.empty()) request.loras.clear();  // those of --like
  for (const std::string& text : args.loras) {
    const size_t end = name_length(text);
    const std::string weights = text.substr(end);
    LoraChoice choice = parse_lora_choice("name" + weights);
    choice.name = name_for(AdapterKind::lora, text.substr(0, end), model);
    request.loras.push_back(choice);
  }
  read_controls(args, request, model);
}

void read_hires_upscaler(Request& request, ModelArgs& model) {
  if (!request.hires_upscaler || !is_path(*request.hires_upscaler)) return;
  const std::filesystem::path file = *request.hires_upscaler;
  model.upscalers.push_back(file);
  request.hires_upscaler = file.stem().string();
}

}  // namespace easel::cli
