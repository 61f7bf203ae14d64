// An image made larger by the x4 diffusion upscaler. Private to easel/pipeline.
#pragma once

#include "easel/pipeline/job_noise.h"
#include "easel/pipeline/latent_preview.h"
#include "easel/pipeline/stage_memory.h"
#include "easel/pipeline/upscale_job.h"

namespace easel {

class DiffusionUpscale : public UpscaleJob {
 public:
  // model and prompts: outlive this.
  DiffusionUpscale(Model& model, PromptEncoder& prompts, const UpscaleMemory& memory, UpscaleRequest request,
                   const Callbacks& callbacks);

 private:
  Image enlarge(const Image& image, std::optional<TileGrid>& grid) override;
  int64_t scale() const override { return model_.vae_factor(); }
  Infotext describe() const override;
  std::string_view watermark_text() const override;

  void check_noise_level() const;
  TileGrid plan(Size image);
  void encode_prompts();
  Tensor sample(const Image& image, const TileGrid& grid);  // -> [1, h, w, 4]
  Image decode(const Tensor& latent, const TileGrid& grid);

  Model& model_;
  PromptEncoder& prompts_;
  StageMemory stage_memory_;
  Request sampling_;
  LatentPreview preview_;
};

}  // namespace easel
