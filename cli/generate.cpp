#include "cli/generate.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/interrupt_watch.h"
#include "cli/output_files.h"
#include "cli/progress.h"
#include "cli/summary.h"
#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/image/grid.h"
#include "easel/pipeline/pipeline.h"

namespace easel::cli {
namespace {

using Clock = std::chrono::steady_clock;

int64_t image_count(const Request& request) {
  const auto each_round = request.prompts.empty() ? request.batch_size : static_cast<int64_t>(request.prompts.size());
  return each_round * request.batch_count;
}

void check_output(const OutputArgs& args, const Request& request) {
  if (args.file && args.folder) {
    throw Error(ErrorCode::invalid_request, "-o and --outdir contradict each other; leave one out");
  }
  if (args.file && image_count(request) > 1) {
    throw Error(ErrorCode::invalid_request, "-o is for one image, but {} are asked for; use --outdir FOLDER",
                image_count(request));
  }
  if (args.file && (args.skip_save || args.grid_columns)) {
    throw Error(ErrorCode::invalid_request, "-o writes one image; --skip_save and --n_rows do not go with it");
  }
  if (args.skip_save && args.skip_grid) {
    throw Error(ErrorCode::invalid_request, "--skip_save and --skip_grid together leave nothing to be written");
  }
  if (args.grid_columns && *args.grid_columns < 1) {
    throw Error(ErrorCode::invalid_request, "--n_rows is {}, expected 1 or more images in a row", *args.grid_columns);
  }
  if (args.grid_columns && args.skip_grid) {
    throw Error(ErrorCode::invalid_request, "--n_rows is about the grid, which --skip_grid leaves out");
  }
}

// Saves images as they are finished, so that nothing is lost when a later one fails.
class Output {
 public:
  Output(const std::string& command, const OutputArgs& args, const Request& request) : args_(args) {
    check_output(args, request);
    if (args.file) {
      require_writable_file(*args.file);
    } else {
      folder_.emplace(args.folder.value_or("outputs/" + command));
    }
  }

  void save(const GeneratedImage& image) {
    if (args_.skip_save) return;
    if (args_.file) {
      save_to(*args_.file, image.image, image.parameters);
      files_.images.push_back(*args_.file);
    } else {
      files_.images.push_back(folder_->save_image(image.image, image.seed, image.parameters));
    }
  }

  void save_grid(const Result& result) {
    const bool wanted = result.images.size() > 1 || args_.skip_save;
    if (!wanted || args_.skip_grid || args_.file) return;
    std::vector<Image> images;
    for (const GeneratedImage& image : result.images) images.push_back(image.image);
    const int64_t columns = args_.grid_columns.value_or(result.request.batch_size);
    files_.grid = folder_->save_grid(make_grid(images, columns), result.images.front().parameters);
  }

  const SavedFiles& files() const { return files_; }

 private:
  const OutputArgs& args_;
  std::optional<OutputFolder> folder_;
  SavedFiles files_;
};

}  // namespace

void add_output_options(CLI::App& command, OutputArgs& args) {
  const std::string group = "Output";
  command.add_option("-o,--output", args.file, "File for one image: .png, .jpg or .webp")
      ->type_name("FILE")
      ->group(group);
  command.add_option("--outdir", args.folder, "Folder for images [outputs/" + command.get_name() + "]")
      ->type_name("FOLDER")
      ->group(group);
  command.add_flag("--skip_grid", args.skip_grid, "Several images: no grid of all of them")->group(group);
  command.add_flag("--skip_save", args.skip_save, "Only the grid, no single images")->group(group);
  command.add_option("--n_rows", args.grid_columns, "Images in a row of the grid [as many as in a batch]")
      ->type_name("N")
      ->group(group);
  command.add_flag("--quiet,-q", args.quiet, "Say nothing but warnings and errors")->group(group);
  command.add_flag("--json", args.json, "Print a summary as JSON")->group(group);
}

void run_generate(const std::string& command, const Request& request, const ModelArgs& model,
                  const OutputArgs& output_args) {
  const Clock::time_point start = Clock::now();
  catch_interrupts();
  Output output(command, output_args, request);
  const PipelineOptions options = pipeline_options(model);
  ProgressPrinter progress(progress_style(output_args.quiet));
  if (const std::string note = precision_note(model); !note.empty() && !output_args.quiet) progress.note(note);

  Pipeline pipeline(options);
  const CancelToken cancel;
  const InterruptWatch watch(cancel);
  Result result;
  try {
    result =
        pipeline.generate(request, {.on_progress = [&](const JobProgress& p) { progress.show(p); },
                                    .on_image = [&](const GeneratedImage& image) { output.save(image); },
                                    .on_warning = [&](const std::string& text) { progress.note("warning: " + text); },
                                    .cancel = cancel});
  } catch (...) {
    progress.clear();
    throw;
  }
  progress.clear();
  output.save_grid(result);

  const Seconds total = Clock::now() - start;
  if (output_args.json) {
    fmt::print("{}\n", summary_json(result, pipeline.model(), output.files(), total));
  } else if (!output_args.quiet) {
    for (const auto& file : output.files().images) fmt::print("{}\n", file.string());
    if (output.files().grid) fmt::print("{}\n", output.files().grid->string());
    fmt::print("{}\n", summary_text(result, total));
  }
}

}  // namespace easel::cli
