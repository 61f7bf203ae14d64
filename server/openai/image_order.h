// The bodies of images/generations, edits and variations as jobs.
#pragma once

#include <string>
#include <vector>

#include "easel/image/codec.h"
#include "server/http/form.h"
#include "server/jobs/job.h"
#include "server/jobs/model_catalog.h"
#include "server/json/fields.h"

namespace easel::server {

struct ImageOrder {
  JobOrder job = {};
  bool wants_url = true;  // otherwise the images themselves, in base64
  EncodeOptions encoding = {};
  std::vector<std::string> warnings = {};  // fields that change nothing here
};

inline constexpr int64_t kMaxOpenAiImages = 10;

// OpenAI's own model names mean the default model. Throw FieldError, Error invalid_request, not_found or bad_image.
ImageOrder parse_generation(Fields& fields, const ModelCatalog& models);
// Draws anew where the mask, or the image itself, is transparent; the whole image where neither is.
ImageOrder parse_edit(const Form& form, const ModelCatalog& models);
ImageOrder parse_variation(const Form& form, const ModelCatalog& models);

}  // namespace easel::server
