// Enlarging images without a network: A1111's "extras".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "easel/image/image.h"
#include "server/json/fields.h"

namespace easel::server {

std::span<const std::string_view> upscaler_names();

struct ResizeOrder {
  double factor = 2.0;  // of both sides, unless `size` is given
  std::optional<Size> size = {};
  bool crop = true;  // to exactly `size`; otherwise the image covers it
  std::string upscaler = "None";
  std::vector<std::string> warnings = {};
};

// The fields that extra-single-image and extra-batch-images share. Throws FieldError.
ResizeOrder parse_resize(Fields& fields);

// Throws Error invalid_request if the result would be too large.
Image resized(const Image& image, const ResizeOrder& order);

}  // namespace easel::server
