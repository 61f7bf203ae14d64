#include "easel/pipeline/plot.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/numbers.h"

namespace easel {
namespace {

enum class ValueKind { number, name, replacement };

struct AxisKind {
  const char* name;
  std::vector<const char*> aliases;
  ValueKind values;
  std::function<void(Request&, const std::string&)> set;  // not for replacements
};

// Sets a number of a Request.
template <typename T>
auto setter(std::optional<T> Request::*member) {
  return [member](Request& request, const std::string& text) { request.*member = require_number<T>(text); };
}
auto setter(std::optional<std::string> Request::*member) {
  return [member](Request& request, const std::string& text) { request.*member = text; };
}

const std::vector<AxisKind>& axis_kinds() {
  static const std::vector<AxisKind> kinds = {
      {"steps", {"ddim_steps"}, ValueKind::number, setter(&Request::steps)},
      {"cfg", {"cfg_scale", "scale"}, ValueKind::number, setter(&Request::guidance_scale)},
      {"sampler", {}, ValueKind::name, setter(&Request::sampler)},
      {"schedule", {}, ValueKind::name, setter(&Request::schedule)},
      {"seed", {}, ValueKind::number, setter(&Request::seed)},
      {"eta", {"ddim_eta"}, ValueKind::number, setter(&Request::eta)},
      {"strength", {"denoising_strength"}, ValueKind::number, setter(&Request::strength)},
      {"width", {"W"}, ValueKind::number, setter(&Request::width_px)},
      {"height", {"H"}, ValueKind::number, setter(&Request::height_px)},
      {"prompt", {}, ValueKind::replacement, {}},
  };
  return kinds;
}

const AxisKind& find_axis(const std::string& name) {
  for (const AxisKind& kind : axis_kinds()) {
    const auto is_name = [&](const char* known) { return lower_ascii(known) == lower_ascii(name); };
    if (is_name(kind.name) || std::ranges::any_of(kind.aliases, is_name)) return kind;
  }
  const auto nearest = nearest_name(name, plot_axis_names());
  throw Error(ErrorCode::invalid_request, "plot: there is no axis '{}'; {}", name,
              nearest ? fmt::format("did you mean '{}'?", *nearest)
                      : fmt::format("there are {}", fmt::join(plot_axis_names(), ", ")));
}

struct Axis {
  const AxisKind& kind;
  std::vector<std::string> values;
};

// At `separator`, without the spaces around each value; a backslash takes the character after it as it is.
std::vector<std::string> split_values(std::string_view text, char separator) {
  std::vector<std::string> values(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() &&
        std::string_view(",|\\").find(text[i + 1]) != std::string_view::npos) {
      values.back() += text[++i];
    } else if (text[i] == separator) {
      values.emplace_back();
    } else {
      values.back() += text[i];
    }
  }
  for (std::string& value : values) value = trim(value);
  return values;
}

bool holds_bar(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '|') {
      return true;
    }
  }
  return false;
}

// "FIRST-LAST" or "FIRST-LAST:STEP"
struct Range {
  double first;
  double last;
  double step;
};

std::optional<Range> parse_range(std::string_view text) {
  const size_t dash = text.find('-', 1);  // a dash in front is a sign
  if (dash == std::string_view::npos) return std::nullopt;
  const size_t colon = std::min(text.find(':', dash), text.size());
  const auto first = parse_number<double>(text.substr(0, dash));
  const auto last = parse_number<double>(text.substr(dash + 1, colon - dash - 1));
  const auto step = colon == text.size() ? 1.0 : parse_number<double>(text.substr(colon + 1));
  if (!first || !last || !step) return std::nullopt;
  return Range{*first, *last, *step};
}

void append_range(std::vector<std::string>& values, const std::string& text, const Range& range) {
  if (!(range.first <= range.last && range.step > 0)) {
    throw Error(ErrorCode::invalid_request, "the range '{}' is empty, expected FIRST-LAST or FIRST-LAST:STEP, upwards",
                text);
  }
  const double count = std::floor((range.last - range.first) / range.step * (1 + 1e-12)) + 1;
  if (!(count <= kMaxPlotCells)) {
    throw Error(ErrorCode::invalid_request, "the range '{}' holds more than {} values", text, kMaxPlotCells);
  }
  for (double i = 0; i < count; ++i) values.push_back(fmt::format("{:.15g}", range.first + i * range.step));
}

std::vector<std::string> read_values(const AxisKind& kind, std::string_view text) {
  const std::vector<std::string> items = split_values(text, holds_bar(text) ? '|' : ',');
  if (items.front().empty() || (kind.values != ValueKind::replacement && std::ranges::count(items, "") > 0)) {
    throw Error(ErrorCode::invalid_request, "a value is empty");
  }
  if (kind.values != ValueKind::number) return items;
  std::vector<std::string> values;
  for (const std::string& item : items) {
    const auto range = parse_number<double>(item) ? std::nullopt : parse_range(item);
    range ? append_range(values, item, *range) : values.push_back(item);
  }
  return values;
}

// Runs `body`; an Error is told to be about `axis`.
template <typename Body>
auto about_axis(const std::string& axis, const Body& body) {
  try {
    return body();
  } catch (const Error& fault) {
    throw Error(fault.code(), "plot {}: {}", axis, fault.what());
  }
}

Axis parse_axis(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    throw Error(ErrorCode::invalid_request, "plot '{}': expected NAME=VALUES, such as steps=10,20,40", text);
  }
  const AxisKind& kind = find_axis(trim(std::string_view(text).substr(0, equals)));
  return about_axis(kind.name, [&] {
    return Axis{kind, read_values(kind, std::string_view(text).substr(equals + 1))};
  });
}

std::vector<Axis> parse_axes(std::span<const std::string> texts) {
  if (texts.size() > kMaxPlotAxes) {
    throw Error(ErrorCode::invalid_request, "plot: {} axes, expected at most {}", texts.size(), kMaxPlotAxes);
  }
  std::vector<Axis> axes;
  size_t cells = 1;
  for (const std::string& text : texts) {
    Axis axis = parse_axis(text);
    const auto is_same = [&](const Axis& other) { return &other.kind == &axis.kind; };
    if (axis.kind.values != ValueKind::replacement && std::ranges::any_of(axes, is_same)) {
      throw Error(ErrorCode::invalid_request, "plot: the axis {} is given twice", axis.kind.name);
    }
    cells *= axis.values.size();
    axes.push_back(std::move(axis));
  }
  if (cells > kMaxPlotCells) {
    throw Error(ErrorCode::invalid_request, "plot: {} images, expected at most {}", cells, kMaxPlotCells);
  }
  return axes;
}

// Returns whether `wanted` was there. Ends early when the prompt has become too long, which check() refuses.
bool replace_all(std::string& prompt, const std::string& wanted, const std::string& value) {
  bool found = false;
  for (size_t at = prompt.find(wanted); at != std::string::npos && prompt.size() <= kMaxPromptBytes;
       at = prompt.find(wanted, at + value.size())) {
    prompt.replace(at, wanted.size(), value);
    found = true;
  }
  return found;
}

void set_value(Request& request, const Axis& axis, const std::string& value) {
  if (axis.kind.values != ValueKind::replacement) return axis.kind.set(request, value);
  const std::string& wanted = axis.values.front();
  const bool in_prompt = replace_all(request.prompt, wanted, value);
  const bool in_negative_prompt = replace_all(request.negative_prompt, wanted, value);
  if (in_prompt || in_negative_prompt) return;
  throw Error(ErrorCode::invalid_request,
              "\"{}\", the first value, is what the others replace; it is not in the prompt", wanted);
}

std::string label_of(const Axis& axis, const std::string& value) {
  return axis.kind.values == ValueKind::number ? fmt::format("{} {}", axis.kind.name, value) : value;
}

std::vector<std::string> labels_of(const std::vector<Axis>& axes, size_t index) {
  if (index >= axes.size()) return {""};
  std::vector<std::string> labels;
  for (const std::string& value : axes[index].values) labels.push_back(label_of(axes[index], value));
  return labels;
}

Request with_images_of(const Request& source, Request request) {
  request.init_image = source.init_image;
  request.mask = source.mask;
  request.depth_map = source.depth_map;
  return request;
}

}  // namespace

std::vector<std::string> plot_axis_names() {
  std::vector<std::string> names;
  for (const AxisKind& kind : axis_kinds()) names.emplace_back(kind.name);
  return names;
}

Plot plan_plot(const Request& request, std::span<const std::string> texts) {
  if (!request.prompts.empty() || request.batch_size * request.batch_count > 1) {
    throw Error(
        ErrorCode::invalid_request,
        "plot: each place of the sheet is for one image; ask for one prompt and one image, with a seed axis for "
        "more");
  }
  const std::vector<Axis> axes = parse_axes(texts);
  Request start = request;
  if (!start.seed) start.seed = random_seed();
  if (start.variation_strength && !start.variation_seed) start.variation_seed = random_seed();
  std::vector<Request> cells = {with_images_of({}, start)};
  for (const Axis& axis : axes) {
    const std::vector<Request> inner = std::move(cells);
    cells.clear();
    for (const std::string& value : axis.values) {
      for (const Request& settings : inner) {
        Request cell = with_images_of(request, settings);
        about_axis(fmt::format("{}={}", axis.kind.name, value), [&] {
          set_value(cell, axis, value);
          check(cell);
        });
        cells.push_back(with_images_of({}, std::move(cell)));
      }
    }
  }
  return {.labels = {.columns = labels_of(axes, 0), .rows = labels_of(axes, 1), .pages = labels_of(axes, 2)},
          .cells = std::move(cells),
          .base = request};
}

Request Plot::complete_cell(size_t index) const { return with_images_of(base, cells[index]); }

}  // namespace easel
