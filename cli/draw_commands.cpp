#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/adapter_options.h"
#include "cli/commands.h"
#include "cli/generate.h"
#include "cli/image_options.h"
#include "cli/model_options.h"
#include "cli/request_options.h"

namespace easel::cli {
namespace {

struct DrawArgs {
  RequestArgs request;
  ImageArgs image;
  AdapterArgs adapters;
  ModelArgs model;
  OutputArgs output;
};

// A command that draws: what all of them share, and what `add_own` adds.
template <typename AddOwn>
void add_draw_command(CLI::App& app, Task task, const std::string& name, const std::string& description,
                      const AddOwn& add_own) {
  auto args = std::make_shared<DrawArgs>();
  args->request.request.task = task;
  CLI::App* command = app.add_subcommand(name, description);
  add_request_options(*command, args->request);
  add_own(*command, *args);
  add_adapter_options(*command, args->adapters);
  add_model_options(*command, args->model);
  add_profile_options(*command, args->model.profile);
  add_preview_option(*command, args->model);
  add_output_options(*command, args->output);
  command->callback([args, name] {
    read_images(args->image, args->request.request);
    read_adapters(args->adapters, args->request.request, args->model);
    read_hires_upscaler(args->request.request, args->model);
    run_generate(name, make_request(args->request), args->model, args->output, args->request.like);
  });
}

}  // namespace

void add_txt2img_command(CLI::App& app) {
  add_draw_command(app, Task::txt2img, "txt2img", "Draw images from a prompt",
                   [](CLI::App& command, DrawArgs& args) { add_hires_options(command, args.request); });
}

void add_img2img_command(CLI::App& app) {
  add_draw_command(
      app, Task::img2img, "img2img", "Draw images from a prompt and an initial image",
      [](CLI::App& command, DrawArgs& args) { add_init_image_options(command, args.image, args.request.request); });
}

void add_inpaint_command(CLI::App& app) {
  add_draw_command(app, Task::inpaint, "inpaint", "Draw a part of an image anew, or extend it",
                   [](CLI::App& command, DrawArgs& args) {
                     add_init_image_options(command, args.image, args.request.request);
                     add_mask_options(command, args.image, args.request.request);
                   });
}

void add_depth2img_command(CLI::App& app) {
  add_draw_command(app, Task::depth2img, "depth2img", "Draw over an image and keep its depth (SD 2 depth)",
                   [](CLI::App& command, DrawArgs& args) {
                     add_init_image_options(command, args.image, args.request.request);
                     add_depth_options(command, args.image);
                   });
}

}  // namespace easel::cli
