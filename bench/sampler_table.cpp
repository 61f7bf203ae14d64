// What every sampler with every schedule makes of a few steps: time, calls of the network, and how far the picture is
// from the one of 200 steps. One model, one prompt and seed, one image at a time. Results are kept in OUT/results.json,
// and the program goes on with what is missing there: it may be stopped at any moment.
//
//   sampler_table OUT [--checkpoint FILE] [--samplers a,b] [--schedules x,y] [--tables-only]
//
// Prints the Markdown tables of docs/samplers.md and writes OUT/grid.webp: samplers with the starter model's schedule.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "easel/backend/devices.h"
#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/image/resize.h"
#include "easel/image/sheet.h"
#include "easel/ops/arithmetic.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/pipeline.h"
#include "easel/sampling/registry.h"

namespace easel::bench {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::array<int64_t, 3> kSteps = {10, 20, 50};
constexpr int64_t kReferenceSteps = 200;
constexpr const char* kGridSchedule = "karras";
constexpr int64_t kGridCellPx = 64;
constexpr size_t kColumns = 7;  // of a table of distances

struct Args {
  std::string out;
  std::optional<std::string> checkpoint;
  std::vector<std::string> samplers;
  std::vector<std::string> schedules;
  std::string prompt = "a red bird on a branch at sunset";
  uint64_t seed = 7;
  int threads = 1;
  bool tables_only = false;
};

bool is_wanted(const std::vector<std::string>& chosen, const std::string& name) {
  return chosen.empty() || std::find(chosen.begin(), chosen.end(), name) != chosen.end();
}

// Root of the mean square difference, in steps of 8-bit pixels.
double distance(const Image& a, const Image& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.bytes().size(); ++i)
    sum += std::pow(static_cast<double>(a.bytes()[i]) - static_cast<double>(b.bytes()[i]), 2);
  return std::sqrt(sum / static_cast<double>(a.bytes().size()));
}

// How often `steps` steps ask the network, found with one that answers 0. dpm_adaptive asks as its answers go.
int64_t network_calls(const Device& device, const SamplerInfo& sampler, const Schedule& schedule, int64_t steps) {
  const Plan plan = make_plan(sampler.convention, make_levels(schedule, NoiseSchedule(), steps));
  int64_t calls = 0;
  const Denoiser denoiser(
      [&](const Tensor& x, const Level&) {
        ++calls;
        return x * 0.0f;
      },
      Prediction::epsilon);
  BatchNoise noise(RngKind::cpu, 1);
  const auto solver = sampler.make({});
  sample(*solver, plan, denoiser, plan.start(noise.draw(device, {1, 2, 2, 4})), noise);
  return calls;
}

class Table {
 public:
  explicit Table(const Args& args) : args_(args), file_(fs::path(args.out) / "results.json") {
    fs::create_directories(args.out);
    if (fs::exists(file_)) results_ = Json::parse(read_text_file(file_, uint64_t{1} << 26));
  }

  void run() {
    Pipeline pipeline({.checkpoint = find_model(args_.checkpoint), .threads = args_.threads});
    pipeline.generate(request("euler", "karras", 2));  // weights are read
    for (const Schedule& schedule : schedules()) {
      for (const SamplerInfo& sampler : samplers()) {
        const std::string key = key_of(sampler.name, schedule.name);
        const bool wanted = is_wanted(args_.samplers, sampler.name) && is_wanted(args_.schedules, schedule.name);
        if (!wanted || results_.contains(key)) continue;
        results_[key] = measure(pipeline, sampler, schedule);
        write_file_whole(file_, results_.dump(1));
        std::fprintf(stderr, "%s\n", key.c_str());
      }
    }
  }

  // Of each sampler with the grid's schedule; in units of Euler's 20 steps.
  void print_times() const {
    const double unit = seconds_of("euler", kSteps[1]).value_or(1.0);
    fmt::print("| sampler | calls at 10, 20, 50 steps | time at 10, 20, 50 steps |\n|---|---|---|\n");
    for (const SamplerInfo& sampler : samplers()) {
      const auto at = results_.find(key_of(sampler.name, kGridSchedule));
      if (at == results_.end() || !at->contains("steps")) continue;
      std::vector<std::string> calls, times;
      for (const int64_t steps : kSteps) {
        const Json& entry = (*at)["steps"][std::to_string(steps)];
        calls.push_back(entry["calls"].dump());
        times.push_back(fmt::format("{:.1f}", entry["seconds"].get<double>() / unit));
      }
      fmt::print("| `{}` | {} | {} |\n", sampler.name, fmt::join(calls, ", "), fmt::join(times, ", "));
    }
  }

  // A row for each sampler, a column for each schedule.
  void print_distances() const {
    std::vector<Schedule> left = schedules();
    while (!left.empty()) {
      const auto count = static_cast<std::ptrdiff_t>(std::min(kColumns, left.size()));
      const std::vector<Schedule> columns(left.begin(), left.begin() + count);
      left.erase(left.begin(), left.begin() + count);
      fmt::print("\n| |");
      for (const Schedule& schedule : columns) fmt::print(" `{}` |", schedule.name);
      fmt::print("\n|---|");
      for (size_t i = 0; i < columns.size(); ++i) fmt::print("---|");
      for (const SamplerInfo& sampler : samplers()) {
        fmt::print("\n| `{}` |", sampler.name);
        for (const Schedule& schedule : columns) fmt::print(" {} |", distances(key_of(sampler.name, schedule.name)));
      }
      fmt::print("\n");
    }
  }

  void draw_grid() const {
    SheetLabels labels;
    std::vector<Image> images;
    for (const int64_t steps : {kSteps[0], kSteps[1], kSteps[2], kReferenceSteps})
      labels.columns.push_back(fmt::format("{} steps", steps));
    for (const SamplerInfo& sampler : samplers()) {
      if (!fs::exists(image_file(sampler.name, kReferenceSteps))) continue;
      labels.rows.push_back(sampler.name);
      for (const int64_t steps : {kSteps[0], kSteps[1], kSteps[2], kReferenceSteps}) {
        const Image image = load_image(image_file(sampler.name, steps)).image;
        images.push_back(resize(image, {kGridCellPx, kGridCellPx}, ResizeFilter::lanczos));
      }
    }
    if (images.empty()) return;
    labels.pages.emplace_back();
    const SheetLayout layout = lay_out_sheet(labels, {kGridCellPx, kGridCellPx});
    save_image(fs::path(args_.out) / "grid.webp", draw_sheet(layout, images),
               {.format = ImageFormat::webp, .quality = 80});
  }

 private:
  Request request(const std::string& sampler, const std::string& schedule, int64_t steps) const {
    Request request;
    request.prompt = args_.prompt;
    request.seed = args_.seed;
    request.sampler = sampler;
    request.schedule = schedule;
    request.steps = steps;
    request.watermark = false;
    return request;
  }

  fs::path image_file(const std::string& sampler, int64_t steps) const {
    return fs::path(args_.out) / fmt::format("{}_{}.png", sampler, steps);
  }

  Json measure(Pipeline& pipeline, const SamplerInfo& sampler, const Schedule& schedule) const {
    Json result;
    try {
      const Image reference = draw(pipeline, sampler, schedule, kReferenceSteps, result);
      for (const int64_t steps : kSteps) {
        const Image image = draw(pipeline, sampler, schedule, steps, result);
        result["steps"][std::to_string(steps)]["distance"] = distance(image, reference);
      }
    } catch (const Error& error) {
      result["error"] = error.what();
    }
    return result;
  }

  Image draw(Pipeline& pipeline, const SamplerInfo& sampler, const Schedule& schedule, int64_t steps,
             Json& result) const {
    const std::clock_t start = std::clock();
    const Result drawn = pipeline.generate(request(sampler.name, schedule.name, steps));
    Json& entry = result["steps"][std::to_string(steps)];
    entry["seconds"] = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    entry["calls"] = network_calls(*device_, sampler, schedule, steps);
    const Image& image = drawn.images.front().image;
    if (schedule.name == kGridSchedule) save_image(image_file(sampler.name, steps), image);
    return image;
  }

  static std::string key_of(const std::string& sampler, const std::string& schedule) {
    return fmt::format("{} {}", sampler, schedule);
  }

  std::optional<double> seconds_of(const std::string& sampler, int64_t steps) const {
    const auto at = results_.find(key_of(sampler, kGridSchedule));
    if (at == results_.end() || !at->contains("steps")) return std::nullopt;
    return (*at)["steps"][std::to_string(steps)]["seconds"].get<double>();
  }

  // "6.2 3.1 0.9", or nothing for what was not measured or does not go together.
  std::string distances(const std::string& key) const {
    const auto at = results_.find(key);
    if (at == results_.end()) return "";
    if (at->contains("error")) return "no";
    std::vector<std::string> all;
    for (const int64_t steps : kSteps) {
      all.push_back(fmt::format("{:.1f}", (*at)["steps"][std::to_string(steps)]["distance"].get<double>()));
    }
    return fmt::format("{}", fmt::join(all, " "));
  }

  const Args& args_;
  fs::path file_;
  Json results_ = Json::object();
  std::shared_ptr<const Device> device_ = open_device({.name = "cpu", .threads = 1});
};

}  // namespace
}  // namespace easel::bench

int main(int argc, char** argv) {
  easel::bench::Args args;
  CLI::App app("Measures samplers and schedules");
  app.add_option("out", args.out, "Folder for results")->required();
  app.add_option("--checkpoint", args.checkpoint, "Model [the starter model]");
  app.add_option("--samplers", args.samplers, "Only these")->delimiter(',');
  app.add_option("--schedules", args.schedules, "Only these")->delimiter(',');
  app.add_option("--prompt", args.prompt)->capture_default_str();
  app.add_option("--seed", args.seed)->capture_default_str();
  app.add_option("--threads", args.threads)->capture_default_str();
  app.add_flag("--tables-only", args.tables_only, "Print what results.json holds");
  CLI11_PARSE(app, argc, argv);
  try {
    easel::bench::Table table(args);
    if (!args.tables_only) table.run();
    table.print_times();
    table.print_distances();
    table.draw_grid();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sampler_table: %s\n", error.what());
    return 1;
  }
  return 0;
}
