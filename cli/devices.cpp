#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "easel/base/text.h"
#include "easel/pipeline/pipeline.h"

namespace easel::cli {
namespace {

void print_json(const DeviceList& list) {
  nlohmann::ordered_json devices = nlohmann::ordered_json::array();
  for (const DeviceInfo& device : list.devices) {
    nlohmann::ordered_json json = {{"name", device.name},
                                   {"title", device.title},
                                   {"details", device.details},
                                   {"total_bytes", device.total_bytes},
                                   {"free_bytes", device.free_bytes}};
    if (!device.unusable_because.empty()) json["unusable_because"] = device.unusable_because;
    devices.push_back(json);
  }
  nlohmann::ordered_json all = {{"devices", devices}};
  if (!list.no_cards_because.empty()) all["no_cards_because"] = list.no_cards_because;
  fmt::print("{}\n", all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void run(bool json) {
  const DeviceList list = list_devices();
  if (json) return print_json(list);
  for (const DeviceInfo& device : list.devices) {
    fmt::print("{:<8}  {}\n", device.name, device.title);
    if (!device.details.empty()) fmt::print("{:<8}  {}\n", "", device.details);
    if (device.total_bytes > 0) {
      fmt::print("{:<8}  {} of {} free\n", "", format_bytes(device.free_bytes), format_bytes(device.total_bytes));
    }
    if (!device.unusable_because.empty()) fmt::print("{:<8}  cannot be used: {}\n", "", device.unusable_because);
  }
  if (!list.no_cards_because.empty()) fmt::print("\nNo CUDA devices: {}.\n", list.no_cards_because);
}

}  // namespace

void add_devices_command(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("devices", "List what can compute, with its memory");
  command->add_flag("--json", *json, "Print as JSON");
  command->callback([json] { run(*json); });
}

}  // namespace easel::cli
