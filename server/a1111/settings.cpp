#include "server/a1111/settings.h"

#include <algorithm>
#include <array>
#include <string_view>

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
  constexpr std::array<std::string_view, 4> kNoVae = {"Automatic", "None", "auto", ""};
  if (key == "sd_vae") {
    const std::string name = fields.text(key).value_or("");
    return std::find(kNoVae.begin(), kNoVae.end(), name) != kNoVae.end();
  }
  if (key == "CLIP_stop_at_last_layers") return fields.integer(key, {1, 12}) == 1;
  if (key == "samples_format") return fields.text(key) == "png";
  if (key == "eta_noise_seed_delta") return fields.is_blank(key);
  return false;
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
    try {
      values.model = models_.resolve(without_hash(*title));
    } catch (const Error& error) {
      throw FieldError("sd_model_checkpoint", "value_error", error.what());
    }
  }
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
