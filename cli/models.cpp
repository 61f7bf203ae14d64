#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/adapters.h"
#include "easel/pipeline/assets.h"

namespace easel::cli {
namespace {

constexpr std::array kKinds = {AdapterKind::lora, AdapterKind::embedding, AdapterKind::control_net};

void print_json(const std::vector<ModelFile>& models) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const ModelFile& model : models) {
    json.push_back(
        {{"file", model.path.string()}, {"kind", "checkpoint"}, {"bytes", model.bytes}, {"default", model.is_starter}});
  }
  for (const AdapterKind kind : kKinds) {
    for (const AdapterFile& file : list_adapters(kind)) {
      json.push_back(
          {{"file", file.path.string()}, {"kind", name_of(kind)}, {"bytes", file.bytes}, {"name", file.name}});
    }
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
  for (const AdapterKind kind : kKinds) {
    fmt::print("\n{}s, from the folder {} in one of those:\n", name_of(kind), folder_name_of(kind));
    const std::vector<AdapterFile> files = list_adapters(kind);
    for (const AdapterFile& file : files) fmt::print("{:>8}  {}\n", format_bytes(file.bytes), file.name);
    if (files.empty()) fmt::print("  none\n");
  }
}

}  // namespace

void add_models_command(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("models", "List checkpoints, LoRAs, embeddings and ControlNets that can be used by name");
  command->add_flag("--json", *json, "Print as JSON");
  command->callback([json] { *json ? print_json(list_models()) : print_text(list_models()); });
}

}  // namespace easel::cli
