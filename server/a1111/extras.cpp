#include "server/a1111/extras.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/image/fit.h"
#include "easel/pipeline/request.h"
#include "server/errors.h"

namespace easel::server {
namespace {

constexpr std::array<std::string_view, 3> kResizers = {"None", "Lanczos", "Nearest"};
constexpr double kMaxFactor = 8.0;

// Fields for models that this program does not have, and which ask for nothing when blank.
constexpr std::array kForeign = {"gfpgan_visibility", "codeformer_visibility", "extras_upscaler_2_visibility"};
constexpr std::array kDependent = {"codeformer_weight", "upscaler_2", "upscale_first", "show_extras_results"};

void read_upscaler(Fields& fields, const ModelCatalog& models, ResizeOrder& order) {
  order.upscaler = fields.text("upscaler_1").value_or("None");
  if (std::find(kResizers.begin(), kResizers.end(), order.upscaler) != kResizers.end()) return;
  std::vector<std::string> names(kResizers.begin(), kResizers.end());
  for (UpscalerEntry& entry : models.list_upscalers()) {
    if (entry.file.empty()) continue;
    names.push_back(entry.name());
    if (names.back() == order.upscaler) {
      order.model = std::move(entry);
      return;
    }
  }
  throw FieldError("upscaler_1", "value_error",
                   fmt::format("\"upscaler_1\" is \"{}\", expected {}", order.upscaler, join_shortened(names, 20)));
}

Size scaled(Size size, double factor) {
  const auto side = [factor](int64_t side_px) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(side_px) * factor));
  };
  return {side(size.width_px), side(size.height_px)};
}

// By which the image covers the size asked for.
double factor_for(Size original, const ResizeOrder& order) {
  if (!order.size) return order.factor;
  return std::max(static_cast<double>(order.size->width_px) / static_cast<double>(original.width_px),
                  static_cast<double>(order.size->height_px) / static_cast<double>(original.height_px));
}

}  // namespace

std::span<const std::string_view> resizer_names() { return kResizers; }

ResizeOrder parse_resize(Fields& fields, const ModelCatalog& models) {
  ResizeOrder order;
  const bool to_size = fields.integer("resize_mode", {0, 1}).value_or(0) == 1;
  order.factor = fields.number("upscaling_resize", {0.01, kMaxFactor}).value_or(order.factor);
  const auto width = fields.integer("upscaling_resize_w", {1, kMaxSidePx});
  const auto height = fields.integer("upscaling_resize_h", {1, kMaxSidePx});
  if (to_size) order.size = Size{width.value_or(512), height.value_or(512)};
  order.crop = fields.flag("upscaling_crop").value_or(true);
  read_upscaler(fields, models, order);
  for (const char* key : kForeign) {
    if (!fields.is_blank(key))
      order.warnings.push_back(fmt::format("\"{}\" is not available and changed nothing", key));
  }
  for (const std::string& key : fields.unread()) {
    const auto is_it = [&](const char* known) { return key == known; };
    if (!std::any_of(kForeign.begin(), kForeign.end(), is_it) &&
        !std::any_of(kDependent.begin(), kDependent.end(), is_it)) {
      order.warnings.push_back(fmt::format("\"{}\" is unknown and changed nothing", key));
    }
  }
  return order;
}

std::optional<UpscaleRequest> model_request(const Image& image, const ResizeOrder& order) {
  const double factor = factor_for(image.size(), order);
  if (!order.model || factor <= 1.0) return std::nullopt;
  UpscaleRequest request;
  request.image = image;
  request.factor = factor;
  check(request, order.model->kind, order.model->scale);
  return request;
}

Image resized(const Image& image, Size original, const ResizeOrder& order) {
  if (order.upscaler == "None") return image;
  const bool is_exact = order.size && order.crop;
  const Size size = is_exact ? *order.size : scaled(original, factor_for(original, order));
  if (!fits_image_limit(size)) {
    throw Error(ErrorCode::invalid_request, "{}x{} pixels are too many for an image", size.width_px, size.height_px);
  }
  const ResizeFilter filter = order.upscaler == "Nearest" ? ResizeFilter::nearest : ResizeFilter::lanczos;
  return fit(image, size, is_exact ? FitMode::crop : FitMode::stretch, filter);
}

}  // namespace easel::server
