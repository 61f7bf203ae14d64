#include "server/jobs/model_catalog.h"

#include <algorithm>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/assets.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kShownNames = 20;

template <typename Entry>
std::optional<Entry> find_by_name(const std::vector<Entry>& entries, const std::string& name) {
  const std::string wanted = lower_ascii(name);
  const auto is_it = [&](const Entry& entry) {
    return lower_ascii(entry.title()) == wanted || lower_ascii(entry.name()) == wanted;
  };
  const auto at = std::find_if(entries.begin(), entries.end(), is_it);
  return at == entries.end() ? std::nullopt : std::optional(*at);
}

[[noreturn]] void refuse_unknown(std::string_view kind, const std::string& name,
                                 const std::vector<std::string>& known) {
  if (known.empty()) throw Error(ErrorCode::not_found, "there is no {} '{}', nor any other", kind, name);
  const auto nearest = nearest_name(name, known);
  throw Error(ErrorCode::not_found, "there is no {} '{}'; {}", kind, name,
              nearest ? fmt::format("did you mean '{}'?", *nearest)
                      : fmt::format("known are {}", join_shortened(known, kShownNames)));
}

}  // namespace

ModelCatalog::ModelCatalog(fs::path default_model) : default_model_(std::move(default_model)) {
  std::error_code ignored;
  if (!fs::is_regular_file(default_model_, ignored)) {
    throw Error(ErrorCode::not_found, "{}: there is no such checkpoint", default_model_.string());
  }
}

std::vector<ModelEntry> ModelCatalog::all_files() const {
  std::error_code ignored;
  std::vector<ModelEntry> entries = {{default_model_, fs::file_size(default_model_, ignored), true}};
  for (const ModelFile& model : list_models()) {
    const auto has_its_title = [&](const ModelEntry& entry) { return entry.title() == model.path.filename(); };
    if (std::none_of(entries.begin(), entries.end(), has_its_title))
      entries.push_back({model.path, model.bytes, false});
  }
  for (ModelEntry& entry : entries) entry.use = uses_.of(entry.file);
  return entries;
}

std::vector<ModelEntry> ModelCatalog::list() const {
  std::vector<ModelEntry> entries = all_files();
  std::erase_if(entries, [](const ModelEntry& entry) { return entry.use.tasks.empty() && !entry.is_default; });
  return entries;
}

std::vector<UpscalerEntry> ModelCatalog::list_upscalers() const {
  std::vector<UpscalerEntry> upscalers = {{}};
  for (const ModelEntry& entry : all_files()) {
    if (!entry.use.upscaler) continue;
    upscalers.push_back({entry.file, entry.bytes, entry.use.upscaler->kind, entry.use.upscaler->scale});
  }
  return upscalers;
}

std::vector<ModelEntry> ModelCatalog::list_vaes() const {
  std::vector<ModelEntry> entries = all_files();
  std::erase_if(entries, [](const ModelEntry& entry) { return !entry.use.is_vae; });
  return entries;
}

std::optional<fs::path> ModelCatalog::find(const std::string& name) const {
  const auto entry = find_by_name(all_files(), name);
  return entry ? std::optional(entry->file) : std::nullopt;
}

fs::path ModelCatalog::resolve(const std::optional<std::string>& name) const {
  if (!name) return default_model_;
  if (auto found = find(*name)) return *found;
  std::vector<std::string> names;
  for (const ModelEntry& entry : list()) names.push_back(entry.name());
  refuse_unknown("model", *name, names);
}

UpscalerEntry ModelCatalog::resolve_upscaler(const std::optional<std::string>& name) const {
  if (!name) return {};
  const std::vector<UpscalerEntry> upscalers = list_upscalers();
  if (auto found = find_by_name(upscalers, *name)) return *found;
  std::vector<std::string> names;
  for (const UpscalerEntry& entry : upscalers) names.push_back(entry.name());
  refuse_unknown("upscaler", *name, names);
}

fs::path ModelCatalog::resolve_vae(const std::string& name) const {
  const std::vector<ModelEntry> vaes = list_vaes();
  if (auto found = find_by_name(vaes, name)) return found->file;
  std::vector<std::string> names;
  for (const ModelEntry& entry : vaes) names.push_back(entry.name());
  refuse_unknown("VAE", name, names);
}

std::string ModelCatalog::resolve_hires_upscaler(const std::string& name) const {
  const std::string lower = lower_ascii(name);
  if (lower == kLatentUpscaler || lower == kNearestUpscaler) return lower;
  const UpscalerEntry entry = resolve_upscaler(name);
  if (entry.kind != UpscalerKind::diffusion) return entry.name();
  throw Error(ErrorCode::invalid_request,
              "{} upscales by diffusion, which does not go between two passes; expected latent, lanczos, nearest, or "
              "an ESRGAN network",
              entry.name());
}

}  // namespace easel::server
