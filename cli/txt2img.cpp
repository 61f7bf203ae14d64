#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/generate.h"
#include "cli/model_options.h"
#include "cli/request_options.h"

namespace easel::cli {
namespace {

struct Txt2ImgArgs {
  RequestArgs request;
  ModelArgs model;
  OutputArgs output;
};

}  // namespace

void add_txt2img_command(CLI::App& app) {
  auto args = std::make_shared<Txt2ImgArgs>();
  CLI::App* command = app.add_subcommand("txt2img", "Draw images from a prompt");
  add_request_options(*command, args->request);
  add_model_options(*command, args->model);
  add_output_options(*command, args->output);
  command->callback([args] { run_generate("txt2img", make_request(args->request), args->model, args->output); });
}

}  // namespace easel::cli
