// An image made larger by the x4 diffusion upscaler. Private to easel/pipeline.
#pragma once

#include "easel/pipeline/job.h"
#include "easel/pipeline/upscale_job.h"

namespace easel {

class DiffusionUpscale : public UpscaleJob {
 public:
  DiffusionUpscale(Workshop workshop, UpscaleRequest request, const Callbacks& callbacks);

 private:
  Image enlarge(const Image& image, std::optional<TileGrid>& grid) override;
  int64_t scale() const override { return workshop_.model.vae_factor(); }
  Infotext describe() const override;
  std::string_view watermark_text() const override;

  void check_noise_level() const;
  TileGrid plan(Size image) const;
  void encode_prompts();
  Tensor sample(const Image& image, const TileGrid& grid);  // -> [1, h, w, 4]
  Image decode(const Tensor& latent, const TileGrid& grid);

  Workshop workshop_;
  Request sampling_;
  int64_t step_ = 0;  // finished
};

}  // namespace easel
