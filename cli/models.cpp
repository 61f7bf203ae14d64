#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/assets.h"

namespace easel::cli {
namespace {

void print_json(const std::vector<ModelFile>& models) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const ModelFile& model : models) {
    json.push_back({{"file", model.path.string()}, {"bytes", model.bytes}, {"default", model.is_starter}});
  }
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void print_text(const std::vector<ModelFile>& models) {
  for (const ModelFile& model : models) {
    fmt::print("{:>8}  {}{}\n", format_bytes(model.bytes), model.path.string(),
               model.is_starter ? "  (starter model, the default)" : "");
  }
  if (models.empty()) fmt::print("There are no models.\n");
  fmt::print("Put checkpoints (.safetensors, .gguf, .ckpt) into one of:\n");
  for (const auto& folder : model_folders()) fmt::print("  {}\n", folder.string());
}

}  // namespace

void add_models_command(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("models", "List the checkpoints that can be used by name");
  command->add_flag("--json", *json, "Print as JSON");
  command->callback([json] { *json ? print_json(list_models()) : print_text(list_models()); });
}

}  // namespace easel::cli
