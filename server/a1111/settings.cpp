#include "server/a1111/settings.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "easel/pipeline/request.h"
#include "server/errors.h"

namespace easel::server {
namespace {

// "name.safetensors [0123456789]": with a hash, as A1111 shows titles.
std::string without_hash(const std::string& title) {
  const size_t bracket = title.rfind(" [");
  return title.ends_with(']') && bracket != std::string::npos ? title.substr(0, bracket) : title;
}

// Settings that some clients always send; with these values they ask for nothing.
bool is_what_we_do(Fields& fields, const std::string& key) {
  if (key == "samples_format") return fields.text(key) == "png";
  if (key == "eta_noise_seed_delta") return fields.is_blank(key);
  return false;
}

// Calls `look_up`, and says in which field the name was that it does not find.
template <typename LookUp>
std::filesystem::path look_up_named(const char* field, const LookUp& look_up) {
  try {
    return look_up();
  } catch (const Error& error) {
    throw FieldError(field, "value_error", error.what());
  }
}

std::filesystem::path read_vae(const ModelCatalog& models, const std::string& name) {
  constexpr std::array<std::string_view, 4> kNone = {"Automatic", "None", "auto", ""};
  if (std::find(kNone.begin(), kNone.end(), name) != kNone.end()) return {};
  return look_up_named("sd_vae", [&] { return models.resolve_vae(name); });
}

}  // namespace

SettingsValues A1111Settings::values() const {
  const std::lock_guard lock(mutex_);
  return values_;
}

void A1111Settings::set(SettingsValues values) {
  const std::lock_guard lock(mutex_);
  values_ = std::move(values);
}

SettingsValues A1111Settings::changed(SettingsValues values, Fields& fields, std::vector<std::string>& warnings) const {
  if (const auto title = fields.text("sd_model_checkpoint"); title && !title->empty()) {
    values.model = look_up_named("sd_model_checkpoint", [&] { return models_.resolve(without_hash(*title)); });
  }
  if (const auto name = fields.text("sd_vae")) values.vae = read_vae(models_, *name);
  if (const auto layers = fields.integer("CLIP_stop_at_last_layers", {1, kMaxClipSkip})) values.clip_skip = *layers;
  if (const auto source = fields.text("randn_source")) {
    if (*source != "CPU" && *source != "GPU" && *source != "NV") {
      throw FieldError("randn_source", "value_error",
                       fmt::format("\"randn_source\" is \"{}\", expected CPU, GPU or NV", *source));
    }
    values.random_numbers = *source;
  }
  for (const std::string& key : fields.unread()) {
    if (!is_what_we_do(fields, key)) warnings.push_back(fmt::format("the setting \"{}\" changed nothing", key));
  }
  return values;
}

}  // namespace easel::server
