// Enlarging images: A1111's "extras".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "easel/image/image.h"
#include "easel/pipeline/upscale_request.h"
#include "server/jobs/model_catalog.h"
#include "server/json/fields.h"

namespace easel::server {

// Plain resizing; the catalog's networks and checkpoints follow under their own names.
std::span<const std::string_view> resizer_names();

struct ResizeOrder {
  double factor = 2.0;  // of both sides, unless `size` is given
  std::optional<Size> size = {};
  bool crop = true;  // to exactly `size`; otherwise the image covers it
  std::string upscaler = "None";
  std::optional<UpscalerEntry> model = {};  // that `upscaler` names
  std::vector<std::string> warnings = {};
};

// The fields that extra-single-image and extra-batch-images share. Throws FieldError.
ResizeOrder parse_resize(Fields& fields, const ModelCatalog& models);

// What order.model is to make of the image; nothing if resizing is enough. Throws Error invalid_request.
std::optional<UpscaleRequest> model_request(const Image& image, const ResizeOrder& order);

// The image, or what order.model made of it, at the size asked for. original: the size of the image itself. Throws
// Error invalid_request if the result would be too large.
Image resized(const Image& image, Size original, const ResizeOrder& order);

}  // namespace easel::server
