#include "easel/checkpoint/config.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <cmath>
#include <map>
#include <sstream>
#include <vector>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/text.h"
#include "easel/checkpoint/contents.h"

namespace easel {
namespace {

constexpr size_t kMaxDepth = 32;
constexpr std::string_view kParams = "model.params.";

using Scalars = std::map<std::string, std::string>;  // by path: "model.params.linear_start"

// Flattens the mappings of the document to paths. Aliases, the means of a bomb, are refused; sequences are passed over.
class ScalarCollector : public YAML::EventHandler {
 public:
  explicit ScalarCollector(const std::string& file) : file_(file) {}
  Scalars take() { return std::move(scalars_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { OnScalar(mark, "", anchor, ""); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, "uses an alias (*name)"); }

  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string& value) override {
    if (levels_.empty() || levels_.back().is_sequence) return;
    Level& level = levels_.back();
    if (!level.has_key) {
      level.key = value;
      level.has_key = true;
      return;
    }
    level.has_key = false;
    if (in_sequence_ == 0 && !scalars_.emplace(path(), value).second) {
      refuse(mark, fmt::format("has a second value for {}", in_quotes(path())));
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    open(mark, true);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    open(mark, false);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    bool is_sequence;
    bool has_key;
    std::string key;
  };

  void open(const YAML::Mark& mark, bool is_sequence) {
    if (levels_.size() >= kMaxDepth) refuse(mark, fmt::format("nests deeper than {} levels", kMaxDepth));
    if (!levels_.empty() && !levels_.back().is_sequence && !levels_.back().has_key) {
      refuse(mark, "has a key that is no text");
    }
    if (is_sequence) ++in_sequence_;
    levels_.push_back({.is_sequence = is_sequence, .has_key = false, .key = {}});
  }
  void close() {
    if (levels_.back().is_sequence) --in_sequence_;
    levels_.pop_back();
    if (!levels_.empty()) levels_.back().has_key = false;
  }
  std::string path() const {
    std::string out;
    for (const Level& level : levels_) out += (out.empty() ? "" : ".") + level.key;
    return out;
  }
  [[noreturn]] void refuse(const YAML::Mark& mark, std::string_view fault) const {
    throw Error(ErrorCode::bad_config, "{}: line {} {}, which no model configuration needs", file_, mark.line + 1,
                fault);
  }

  const std::string& file_;
  Scalars scalars_;
  std::vector<Level> levels_;
  int in_sequence_ = 0;
};

Scalars read_scalars(const std::string& file, std::string_view text) {
  ScalarCollector collector(file);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    parser.HandleNextDocument(collector);
  } catch (const YAML::Exception& fault) {
    throw Error(ErrorCode::bad_config, "{}: line {}: {}; expected a YAML file such as v1-inference.yaml", file,
                fault.mark.line + 1, printable(fault.msg, 100));
  }
  return collector.take();
}

class Reader {
 public:
  Reader(const std::string& file, const Scalars& scalars) : file_(file), scalars_(scalars) {}

  std::optional<std::string> text(std::string_view key) const {
    const auto at = scalars_.find(fmt::format("{}{}", kParams, key));
    if (at == scalars_.end() || at->second.empty() || at->second == "null" || at->second == "~") return std::nullopt;
    return at->second;
  }

  std::optional<double> number(std::string_view key, double low, double high) const {
    return parse<double>(key, low, high, "a number");
  }
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high) const {
    return parse<int64_t>(key, low, high, "an integer");
  }

  std::optional<Parameterization> parameterization() const {
    const auto value = text("parameterization");
    if (!value) return std::nullopt;
    if (*value == "eps") return Parameterization::eps;
    if (*value == "v") return Parameterization::v;
    refuse("parameterization", *value, "eps or v");
  }

 private:
  template <typename T>
  std::optional<T> parse(std::string_view key, T low, T high, std::string_view kind) const {
    const auto value = text(key);
    if (!value) return std::nullopt;
    T parsed{};
    const char* end = value->data() + value->size();
    const auto result = std::from_chars(value->data(), end, parsed);
    if (result.ec != std::errc() || result.ptr != end || !(parsed >= low && parsed <= high)) {
      refuse(key, *value, fmt::format("{} from {} to {}", kind, low, high));
    }
    return parsed;
  }
  [[noreturn]] void refuse(std::string_view key, const std::string& found, std::string_view expected) const {
    throw Error(ErrorCode::bad_config, "{}: {}{} is {}, expected {}", file_, kParams, key, in_quotes(found), expected);
  }

  const std::string& file_;
  const Scalars& scalars_;
};

}  // namespace

ModelConfig parse_model_config(const std::string& file, std::string_view text) {
  if (text.size() > kMaxConfigBytes) {
    throw Error(ErrorCode::bad_config, "{}: has {} bytes, expected at most {}; is it a model's YAML file?", file,
                text.size(), kMaxConfigBytes);
  }
  const Scalars scalars = read_scalars(file, text);
  const auto first = scalars.lower_bound(std::string(kParams));
  if (first == scalars.end() || !first->first.starts_with(kParams)) {
    throw Error(ErrorCode::bad_config,
                "{}: has no model.params; expected a model's YAML file such as v1-inference.yaml", file);
  }
  const Reader reader(file, scalars);
  ModelConfig config{.parameterization = reader.parameterization(),
                     .linear_start = reader.number("linear_start", 1e-9, 1.0),
                     .linear_end = reader.number("linear_end", 1e-9, 1.0),
                     .timesteps = reader.integer("timesteps", 1, 100'000),
                     .scale_factor = reader.number("scale_factor", 1e-6, 1e6),
                     .conditioning_key = reader.text("conditioning_key"),
                     .latent_size = reader.integer("image_size", 1, 65536),
                     .unet_in_channels = reader.integer("unet_config.params.in_channels", 1, 1024)};
  if (config.conditioning_key) config.conditioning_key = printable(*config.conditioning_key, 60);
  return config;
}

ModelConfig read_model_config(const std::filesystem::path& path) {
  return parse_model_config(path.string(), read_text_file(path, kMaxConfigBytes));
}

}  // namespace easel
