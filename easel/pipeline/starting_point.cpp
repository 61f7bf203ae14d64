#include "easel/pipeline/starting_point.h"

#include <algorithm>

#include "easel/base/error.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/arithmetic.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/finite.h"

namespace easel {
namespace {

constexpr uint8_t kSelected = 128;
constexpr double kMostA1111Strength = 0.999;
constexpr float kLogvarOfNothing = -200.0f;  // its standard deviation is less than rounding leaves of any latent

StrengthMode strength_mode_of(const Request& request) { return request.strength_mode.value_or(StrengthMode::compvis); }

// How many of the run's last steps are taken.
int64_t steps_taken(Convention convention, const Request& request, double strength) {
  const auto steps = static_cast<double>(*request.steps);
  switch (strength_mode_of(request)) {
    case StrengthMode::compvis: break;
    case StrengthMode::diffusers: return static_cast<int64_t>(strength * steps);
    case StrengthMode::a1111:
      if (strength == 0.0) return 0;
      return static_cast<int64_t>(std::min(strength, kMostA1111Strength) * steps) +
             (convention == Convention::k_diffusion ? 1 : 0);
  }
  const auto taken = static_cast<int64_t>(strength * steps);
  // The original script for depth cannot take all steps.
  return request.task == Task::depth2img ? std::min(taken, *request.steps - 1) : taken;
}

// A tiny VAE gives a latent, not a distribution.
Posterior certain(const Tensor& latent) {
  return {.mean = latent, .logvar = Tensor::zeros(latent.device(), latent.shape()) + kLogvarOfNothing};
}

// The mean of the square of pixels that a latent of `rows` rows sees as one, in [0, 1].
float square_mean(const Mask& mask, int64_t row, int64_t column, int64_t rows) {
  const int64_t side = mask.height_px() / rows;
  int64_t sum = 0;
  for (int64_t y = row * side; y < (row + 1) * side; ++y) {
    for (int64_t x = column * side; x < (column + 1) * side; ++x) sum += *mask.pixel(x, y);
  }
  return static_cast<float>(sum) / static_cast<float>(255 * side * side);
}

}  // namespace

Posterior encode(const Model& model, const Tensor& pixels, const BlockObserver& observe) {
  const RangeScope scope(pixels.device(), ValueRange::wide);
  Posterior posterior =
      model.tiny_encoder() != nullptr
          ? certain(model.tiny_encoder()->operator()(pixels) / static_cast<float>(model.scale_factor()))
          : model.vae_encoder()(pixels, observe);
  if (is_finite(posterior.mean) && is_finite(posterior.logvar)) return posterior;
  throw Error(ErrorCode::bad_checkpoint,
              "the VAE encoder gives numbers that are not finite; use another VAE with --vae FILE");
}

Tensor sample_latent(const Model& model, const Posterior& posterior, const Tensor& noise) {
  const int64_t n = noise.dim(0);
  const Posterior all{.mean = repeated(posterior.mean, n), .logvar = repeated(posterior.logvar, n)};
  return all.sample(noise) * static_cast<float>(model.scale_factor());
}

Tensor pixels_without_masked(const Image& image, const Mask& mask, const Device& device) {
  std::vector<float> values = tensor_from(image, device).values();
  const std::span<const uint8_t> selected = mask.bytes();
  for (size_t i = 0; i < selected.size(); ++i) {
    if (selected[i] >= kSelected) std::fill_n(values.begin() + static_cast<ptrdiff_t>(3 * i), 3, 0.0f);
  }
  return Tensor::from(device, {1, image.height_px(), image.width_px(), 3}, values);
}

Tensor soft_latent_mask(const Mask& mask, const Shape& latent, const Device& device) {
  std::vector<float> image;  // [h, w, c]
  for (int64_t row = 0; row < latent.dim(1); ++row) {
    for (int64_t column = 0; column < latent.dim(2); ++column) {
      image.insert(image.end(), static_cast<size_t>(latent.dim(3)), square_mean(mask, row, column, latent.dim(1)));
    }
  }
  return repeated(Tensor::from(device, {1, latent.dim(1), latent.dim(2), latent.dim(3)}, image), latent.dim(0));
}

Tensor hard_latent_mask(const Mask& mask, const Shape& latent, const Device& device) {
  const int64_t side = mask.height_px() / latent.dim(1);
  std::vector<float> values;
  for (int64_t row = 0; row < latent.dim(1); ++row) {
    for (int64_t column = 0; column < latent.dim(2); ++column) {
      values.push_back(*mask.pixel(column * side, row * side) >= kSelected ? 1.0f : 0.0f);
    }
  }
  return Tensor::from(device, {1, latent.dim(1), latent.dim(2), 1}, values);
}

Plan plan_from(Convention convention, const Levels& levels, const Request& request, double strength) {
  const StrengthMode mode = strength_mode_of(request);
  const bool as_diffusers = mode == StrengthMode::diffusers && convention == Convention::compvis;
  Plan plan =
      make_plan(as_diffusers ? Convention::diffusers : convention, levels, steps_taken(convention, request, strength));
  const bool from_noise = request.task == Task::depth2img && mode == StrengthMode::compvis && strength == 1.0;
  if (from_noise) plan.noised_at.reset();
  return plan;
}

Tensor repeated(const Tensor& x, int64_t n) {
  Tensor all = x;
  while (all.dim(0) < n) all = ops::concat_batch(all, x);
  return all;
}

}  // namespace easel
