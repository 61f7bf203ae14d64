#include "server/serve.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "easel/base/error.h"
#include "easel/base/system.h"

namespace easel::cli {
namespace {

constexpr std::chrono::milliseconds kInterruptInterval{20};
constexpr double kMaxUnloadMinutes = 1e6;

struct ServeArgs {
  server::ServeOptions options = {};
  ModelArgs model = {};
  std::string user = {};  // NAME:PASSWORD
  std::optional<std::filesystem::path> data_folder = {};
  std::optional<std::filesystem::path> web_folder = {};
  std::string keep_inputs = {};
  double unload_minutes = 10;
  bool quiet = false;
};

void add_network_options(CLI::App& command, ServeArgs& args) {
  const std::string group = "Network";
  server::ServeOptions& options = args.options;
  command.add_option("--host", options.http.address, "Address to listen on; 0.0.0.0: all networks")
      ->capture_default_str()
      ->type_name("ADDRESS")
      ->group(group);
  command.add_option("--port", options.http.port, "0: any free one")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  command.add_option("--api-key", options.credentials.api_key, "Ask clients for this key (Authorization: Bearer KEY)")
      ->envname("EASEL_API_KEY")
      ->type_name("KEY")
      ->group(group);
  command.add_option("--user", args.user, "Ask clients for a name and a password")
      ->envname("EASEL_USER")
      ->type_name("NAME:PASSWORD")
      ->group(group);
  command.add_option("--allow-host", options.allowed_hosts, "Name of this machine under which pages may be opened")
      ->type_name("NAME")
      ->group(group);
}

void add_server_options(CLI::App& command, ServeArgs& args) {
  const std::string group = "Server";
  command.add_option("--data-dir", args.data_folder, "Folder for images and records [~/.local/share/easel/gallery]")
      ->type_name("FOLDER")
      ->group(group);
  command.add_option("--web-dir", args.web_folder, "Folder of the web pages, instead of the program's own")
      ->type_name("FOLDER")
      ->group(group);
  command.add_option("--max-queue", args.options.max_waiting_jobs, "Jobs that may wait; more are refused")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  command
      .add_option("--keep-inputs", args.keep_inputs,
                  "How much of the images that came with jobs to keep once these have ended [1GB]")
      ->type_name("SIZE")
      ->group(group);
  command.add_option("--unload-after", args.unload_minutes, "Minutes without work after which the model leaves memory")
      ->capture_default_str()
      ->type_name("N")
      ->group(group);
  command.add_flag("--quiet,-q", args.quiet, "Say nothing but warnings and errors")->group(group);
}

void read_user(const std::string& user, server::Credentials& credentials) {
  if (user.empty()) return;
  const size_t colon = user.find(':');
  if (colon == 0 || colon == std::string::npos || colon + 1 == user.size()) {
    throw Error(ErrorCode::invalid_request, "--user is read as NAME:PASSWORD; neither may be empty");
  }
  credentials.user = user.substr(0, colon);
  credentials.password = user.substr(colon + 1);
}

server::ServeOptions serve_options(const ServeArgs& args) {
  server::ServeOptions options = args.options;
  options.pipeline = pipeline_options(args.model);
  options.data_folder = args.data_folder.value_or(server::default_data_folder());
  options.web_folder = args.web_folder;
  if (!args.keep_inputs.empty()) options.max_input_bytes = parse_bytes(args.keep_inputs);
  read_user(args.user, options.credentials);
  if (!(args.unload_minutes >= 0 && args.unload_minutes <= kMaxUnloadMinutes)) {
    throw Error(ErrorCode::invalid_request, "--unload-after is {} minutes, expected 0 to {}", args.unload_minutes,
                kMaxUnloadMinutes);
  }
  options.unload_after = std::chrono::milliseconds(static_cast<int64_t>(args.unload_minutes * 60'000));
  return options;
}

void run(const ServeArgs& args) {
  catch_interrupts();
  const server::ServeOptions options = serve_options(args);
  const server::Server server(options);
  if (!args.quiet) {
    fmt::print("easel serves at {} (Ctrl-C ends it)\nImages are kept in {}\nDraws on {}\n", server.url(),
               options.data_folder.string(), fmt::join(server.devices(), ", "));
    std::fflush(stdout);
  }
  while (!interrupted()) std::this_thread::sleep_for(kInterruptInterval);
  if (!args.quiet) fmt::print("stopping\n");
}

}  // namespace

void add_serve_command(CLI::App& app) {
  auto args = std::make_shared<ServeArgs>();
  CLI::App* command = app.add_subcommand("serve", "Serve the web page and the HTTP APIs");
  add_network_options(*command, *args);
  add_model_options(*command, args->model);
  command->get_option("--device")
      ->description(
          "What computes: cpu, cuda:0, ..., auto: a card if there is one, or several cards, a job at a time each: "
          "cuda:0,cuda:1");
  command->get_option("--memory-limit")->description("Use at most so much memory on each device: 6GB, 500MB");
  add_preview_option(*command, args->model);
  add_server_options(*command, *args);
  command->callback([args] { run(*args); });
}

}  // namespace easel::cli
