#include "easel/pipeline/image_start.h"

#include "easel/image/masking.h"
#include "easel/image/tensor_image.h"
#include "easel/ops/arithmetic.h"
#include "easel/ops/ops.h"
#include "easel/pipeline/depth.h"
#include "easel/pipeline/latent.h"

namespace easel {
namespace {

// An inpainting network sees the mask and the rest of the image beside x.
bool sees_mask(const Model& model) {
  return model.family() == Family::sd1_inpaint || model.family() == Family::sd2_inpaint;
}

Image start_image(const Canvas& canvas, const Request& request) {
  const bool blurred = canvas.mask() && request.mask_fill == MaskFill::blur;
  return blurred ? filled_from_surroundings(canvas.image(), *canvas.mask()) : canvas.image();
}

Tensor depth_channel_of(const Model& model, const Device& device, const Request& request, const Image& image,
                        const BlockObserver& observe) {
  const Shape latent = latent_shape(model, request, 1);
  if (request.depth_map) return depth_for_latent(*request.depth_map, device, latent.dim(1), latent.dim(2));
  return depth_for_latent(model.depth_network(), image, device, latent.dim(1), latent.dim(2), observe);
}

}  // namespace

ImageStart::ImageStart(const Model& model, const Device& device, const Request& request, Canvas canvas,
                       const BlockObserver& observe)
    : model_(model), device_(device), request_(request), canvas_(std::move(canvas)) {
  if (canvas_.mask() && sees_mask(model_)) {
    unmasked_ = encode(model_, pixels_without_masked(canvas_.image(), *canvas_.mask(), device_), observe);
  }
  const bool from_noise = unmasked_ && *request_.strength == 1.0;
  if (request_.task == Task::depth2img) depth_ = depth_channel_of(model_, device_, request_, canvas_.image(), observe);
  if (!from_noise) image_ = encode(model_, tensor_from(start_image(canvas_, request_), device_), observe);
}

StartingPoint ImageStart::begin(JobNoise& noise, const Shape& latent) const {
  std::optional<Tensor> image, repaint;
  const Tensor image_noise = noise.for_image(device_, latent);
  if (image_) image = sample_latent(model_, *image_, image_noise);
  if (canvas_.mask() && !unmasked_) repaint = soft_latent_mask(*canvas_.mask(), latent, device_);
  std::optional<Tensor> filled_image = image;
  if (image && canvas_.mask()) filled_image = filled(*image, noise, latent);
  return {.noise = noise.start(device_, latent),
          .latent = filled_image,
          .strength = *request_.strength,
          .repaint = repaint,
          .original = image,
          .companion = companion(image_noise)};
}

// What the network sees beside x.
std::optional<Tensor> ImageStart::companion(const Tensor& image_noise) const {
  const int64_t n = image_noise.dim(0);
  if (depth_) return repeated(*depth_, n);
  if (!unmasked_) return std::nullopt;
  const Tensor mask = repeated(hard_latent_mask(*canvas_.mask(), image_noise.shape(), device_), n);
  return ops::concat_channels(mask, sample_latent(model_, *unmasked_, image_noise));
}

// The latent with what MaskFill asks for under the mask.
Tensor ImageStart::filled(const Tensor& image, JobNoise& noise, const Shape& latent) const {
  const MaskFill fill = request_.mask_fill.value_or(MaskFill::original);
  if (fill != MaskFill::noise && fill != MaskFill::zero) return image;
  const Tensor masked = soft_latent_mask(*canvas_.mask(), latent, device_);
  const Tensor unmasked = image * (-masked + 1.0f);
  return fill == MaskFill::zero ? unmasked : unmasked + noise.steps().draw(device_, latent) * masked;
}

}  // namespace easel
