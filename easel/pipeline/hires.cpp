#include "easel/pipeline/hires.h"

#include <algorithm>
#include <cmath>

#include "easel/base/error.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/ops.h"

namespace easel {
namespace {

constexpr double kDefaultStrength = 0.7;

int64_t scaled_side(int64_t side_px, double scale) {
  const double steps = std::round(static_cast<double>(side_px) * scale / static_cast<double>(kSizeMultiplePx));
  return static_cast<int64_t>(steps) * kSizeMultiplePx;
}

// Each image of the batch, decoded, enlarged and encoded again.
Tensor through_pixels(const Model& model, const std::function<Image(const Image&)>& enlarge, const Tensor& latent,
                      const Tensor& noise, const BlockObserver& observe) {
  std::optional<Tensor> all;
  for (int64_t i = 0; i < latent.dim(0); ++i) {
    const Image small = images_from(decode_latent(model, latent.slice(i, i + 1), observe)).front();
    const Posterior posterior = encode(model, tensor_from(enlarge(small), latent.device()), observe);
    const Tensor sample = sample_latent(model, posterior, noise.slice(i, i + 1));
    all = all ? ops::concat_batch(*all, sample) : sample;
  }
  return *all;
}

}  // namespace

std::optional<Request> hires_request(const Request& request) {
  if (!request.hires_scale) return std::nullopt;
  Request second = request;
  second.task = Task::img2img;
  second.width_px = scaled_side(*request.width_px, *request.hires_scale);
  second.height_px = scaled_side(*request.height_px, *request.hires_scale);
  second.steps = request.hires_steps.value_or(*request.steps);
  second.strength = request.hires_strength.value_or(kDefaultStrength);
  if (std::max(*second.width_px, *second.height_px) > kMaxSidePx) {
    throw Error(ErrorCode::invalid_request, "a hires scale of {} makes {}x{} pixels, expected at most {} a side",
                *request.hires_scale, *second.width_px, *second.height_px, kMaxSidePx);
  }
  return second;
}

StartingPoint hires_start(const Model& model, const Request& second, const Tensor& latent, JobNoise& noise,
                          const std::function<Image(const Image&)>& enlarge, const BlockObserver& observe) {
  const Shape shape = latent_shape(model, second, latent.dim(0));
  const Tensor image_noise = noise.for_image(latent.device(), shape);
  return {.noise = noise.start(latent.device(), shape),
          .latent = enlarge ? through_pixels(model, enlarge, latent, image_noise, observe)
                            : ops::resize(latent, shape.dim(1), shape.dim(2)),
          .strength = *second.strength};
}

}  // namespace easel
