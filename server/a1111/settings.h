// The settings that A1111's clients read and write with /sdapi/v1/options, and override for one job.
#pragma once

#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "server/jobs/model_catalog.h"
#include "server/json/fields.h"

namespace easel::server {

struct SettingsValues {
  std::filesystem::path model;
  std::filesystem::path vae = {};      // sd_vae; empty: the model's own
  int64_t clip_skip = 1;               // CLIP_stop_at_last_layers
  std::string random_numbers = "CPU";  // randn_source: "CPU", or "GPU" and "NV" for a graphics card's
};

class A1111Settings {
 public:
  explicit A1111Settings(const ModelCatalog& models) : models_(models), values_{.model = models.default_model()} {}

  const ModelCatalog& models() const { return models_; }
  SettingsValues values() const;
  void set(SettingsValues values);

  // `values` with what `fields` says; names the fields that change nothing here in `warnings`. Throws FieldError.
  SettingsValues changed(SettingsValues values, Fields& fields, std::vector<std::string>& warnings) const;

 private:
  const ModelCatalog& models_;
  mutable std::mutex mutex_;
  SettingsValues values_;
};

}  // namespace easel::server
