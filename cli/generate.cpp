#include "cli/generate.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "cli/interrupt_watch.h"
#include "cli/output_files.h"
#include "cli/progress.h"
#include "cli/summary.h"
#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/image/grid.h"
#include "easel/pipeline/plot.h"

namespace easel::cli {
namespace {

using Clock = std::chrono::steady_clock;

int64_t image_count(const Request& request) {
  const auto each_round = request.prompts.empty() ? request.batch_size : static_cast<int64_t>(request.prompts.size());
  return each_round * request.batch_count;
}

void refuse_if(bool contradictory, const char* reason) {
  if (contradictory) throw Error(ErrorCode::invalid_request, "{}", reason);
}

void check_output(const OutputArgs& args, const Request& request) {
  const bool plots = !args.plot.empty();
  refuse_if(args.file && args.folder, "-o and --outdir contradict each other; leave one out");
  if (args.file && image_count(request) > 1) {
    throw Error(ErrorCode::invalid_request, "-o is for one image, but {} are asked for; use --outdir FOLDER",
                image_count(request));
  }
  refuse_if(args.file && (args.skip_save || args.grid_columns),
            "-o writes one image; --skip_save and --n_rows do not go with it");
  refuse_if(args.skip_save && args.skip_grid, "--skip_save and --skip_grid together leave nothing to be written");
  if (args.grid_columns && *args.grid_columns < 1) {
    throw Error(ErrorCode::invalid_request, "--n_rows is {}, expected 1 or more images in a row", *args.grid_columns);
  }
  refuse_if(args.grid_columns && args.skip_grid, "--n_rows is about the grid, which --skip_grid leaves out");
  refuse_if(plots && (args.skip_grid || args.grid_columns),
            "--plot makes a sheet instead of the grid; --skip_grid and --n_rows do not go with it");
  refuse_if(args.save_every && args.skip_save, "--save-every writes single images, which --skip_save leaves out");
  refuse_if(args.save_every && plots && args.file,
            "-o writes the sheet of --plot alone; use --outdir FOLDER for single images and --save-every");
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
    const auto number = number_of(finished_++);
    if (args_.skip_save || (args_.file && !args_.plot.empty())) return;
    if (args_.file) {
      save_to(*args_.file, image.image, image.parameters);
      files_.images.push_back(*args_.file);
    } else {
      files_.images.push_back(folder_->save_image(image, number));
    }
  }

  void save_intermediate(const IntermediateImage& image) {
    if (args_.file) {
      const auto file = intermediate_file(*args_.file, image.step);
      save_to(file, image.estimate.image, image.estimate.parameters);
      files_.intermediates.push_back(file);
      return;
    }
    const auto saved = folder_->save_intermediate(image.estimate, image.step, number_of(image.index));
    numbers_[image.index] = saved.number;
    files_.intermediates.push_back(saved.file);
  }

  void save_grid(const Result& result) {
    const bool wanted = result.images.size() > 1 || args_.skip_save;
    if (!wanted || args_.skip_grid || args_.file) return;
    std::vector<Image> images;
    for (const GeneratedImage& image : result.images) images.push_back(image.image);
    const int64_t columns = args_.grid_columns.value_or(result.request.batch_size);
    files_.grid = folder_->save_grid(make_grid(images, columns), result.images.front().parameters);
  }

  void save_plot(const DrawnPlot& plot) {
    const std::string& parameters = plot.result.images.front().parameters;
    if (args_.file) {
      save_to(*args_.file, plot.sheet, parameters);
      files_.plot = *args_.file;
    } else {
      files_.plot = folder_->save_plot(plot.sheet, parameters);
    }
  }

  const SavedFiles& files() const { return files_; }

 private:
  std::optional<int64_t> number_of(size_t index) const {
    const auto taken = numbers_.find(index);
    return taken == numbers_.end() ? std::nullopt : std::optional(taken->second);
  }

  const OutputArgs& args_;
  std::optional<OutputFolder> folder_;
  SavedFiles files_;
  size_t finished_ = 0;
  std::map<size_t, int64_t> numbers_;  // taken by the intermediate images of the image of this index
};
void print_files(const SavedFiles& files) {
  for (const auto& file : files.intermediates) fmt::print("{}\n", file.string());
  for (const auto& file : files.images) fmt::print("{}\n", file.string());
  for (const auto& file : {files.grid, files.plot}) {
    if (file) fmt::print("{}\n", file->string());
  }
}

Result draw(Pipeline& pipeline, const Request& request, const std::optional<Plot>& plot, const Callbacks& callbacks,
            Output& output) {
  if (!plot) {
    Result result = pipeline.generate(request, callbacks);
    output.save_grid(result);
    return result;
  }
  DrawnPlot drawn = draw_plot(pipeline, *plot, callbacks);
  output.save_plot(drawn);
  return std::move(drawn.result);
}

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
  command
      .add_option("--plot", args.plot,
                  "Images with a setting changed, as one labelled sheet: steps=10,20,40; up to 3 times")
      ->type_name("AXIS=VALUES")
      ->allow_extra_args(false)
      ->group(group);
  command.add_option("--save-every", args.save_every, "The unfinished image too, each N steps")
      ->type_name("N")
      ->group(group);
  command.add_flag("--quiet,-q", args.quiet, "Say nothing but warnings and errors")->group(group);
  command.add_flag("--json", args.json, "Print a summary as JSON")->group(group);
}

void run_generate(const std::string& command, const Request& request, const ModelArgs& model,
                  const OutputArgs& output_args, const std::optional<ImageSettings>& like) {
  const Clock::time_point start = Clock::now();
  catch_interrupts();
  check_profile(model.profile, output_args.quiet);
  Output output(command, output_args, request);
  std::optional<Plot> plot;
  if (!output_args.plot.empty()) plot = plan_plot(request, output_args.plot);
  refuse_if(model.preview_vae && !output_args.save_every,
            "--preview-vae decodes the unfinished images of --save-every N, which is not given");
  const PipelineOptions options = pipeline_options(model);
  ProgressPrinter progress(progress_style(output_args.quiet));
  if (const std::string note = precision_note(model); !note.empty() && !output_args.quiet) progress.note(note);

  Pipeline pipeline(options);
  const auto warn = [&](const std::string& text) { progress.note("warning: " + text); };
  if (like) {
    for (const std::string& text : like->warnings) warn(text);
    if (const auto text = model_warning(*like, pipeline.model())) warn(*text);
  }
  const CancelToken cancel;
  const InterruptWatch watch(cancel);
  Callbacks callbacks{.on_progress = [&](const JobProgress& p) { progress.show(p); },
                      .on_image = [&](const GeneratedImage& image) { output.save(image); },
                      .on_warning = warn,
                      .cancel = cancel};
  if (output_args.save_every) {
    callbacks.on_intermediate = [&](const IntermediateImage& image) { output.save_intermediate(image); };
    callbacks.intermediate_every = *output_args.save_every;
  }
  Result result;
  try {
    result = draw(pipeline, request, plot, callbacks, output);
  } catch (...) {
    progress.clear();
    throw;
  }
  progress.clear();

  const Seconds total = Clock::now() - start;
  std::optional<ProfileReport> profile;
  if (model.profile.wanted()) profile = pipeline.profile();
  if (profile) save_trace(model.profile, *profile);
  if (output_args.json) {
    fmt::print("{}\n", summary_json(result, pipeline.model(), output.files(), total, profile));
  } else if (!output_args.quiet) {
    print_files(output.files());
    fmt::print("{}\n", summary_text(result, total));
    if (model.profile.table) fmt::print("{}", to_text(*profile));
  }
}

}  // namespace easel::cli
