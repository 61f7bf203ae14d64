#include "server/jobs/model_catalog.h"

#include <algorithm>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/assets.h"

namespace easel::server {

namespace fs = std::filesystem;

ModelCatalog::ModelCatalog(fs::path default_model) : default_model_(std::move(default_model)) {
  std::error_code ignored;
  if (!fs::is_regular_file(default_model_, ignored)) {
    throw Error(ErrorCode::not_found, "{}: there is no such checkpoint", default_model_.string());
  }
}

std::vector<ModelEntry> ModelCatalog::list() const {
  std::error_code ignored;
  std::vector<ModelEntry> entries = {{default_model_, fs::file_size(default_model_, ignored), true}};
  for (const ModelFile& model : list_models()) {
    const auto has_its_title = [&](const ModelEntry& entry) { return entry.title() == model.path.filename(); };
    if (std::none_of(entries.begin(), entries.end(), has_its_title))
      entries.push_back({model.path, model.bytes, false});
  }
  return entries;
}

std::optional<fs::path> ModelCatalog::find(const std::string& name) const {
  const std::string wanted = lower_ascii(name);
  for (const ModelEntry& entry : list()) {
    if (lower_ascii(entry.title()) == wanted || lower_ascii(entry.name()) == wanted) return entry.file;
  }
  return std::nullopt;
}

fs::path ModelCatalog::resolve(const std::optional<std::string>& name) const {
  if (!name) return default_model_;
  if (auto found = find(*name)) return *found;
  std::vector<std::string> titles;
  for (const ModelEntry& entry : list()) titles.push_back(entry.title());
  const auto nearest = nearest_name(*name, titles);
  throw Error(
      ErrorCode::not_found, "there is no model '{}'; {}", *name,
      nearest ? fmt::format("did you mean '{}'?", *nearest) : fmt::format("known are {}", join_shortened(titles, 20)));
}

}  // namespace easel::server
