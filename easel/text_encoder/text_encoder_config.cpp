#include "easel/base/error.h"
#include "easel/nn/structure.h"
#include "easel/text_encoder/text_encoder.h"

namespace easel {

TextEncoderConfig TextEncoderConfig::from(const Weights& weights) {
  TextEncoderConfig config;
  if (weights.has("transformer.text_model")) {
    const Weights model = weights / "transformer.text_model";
    config.width = read_size(model, "final_layer_norm.weight", 1, 0);
    // stable-diffusion.cpp gives OpenCLIP's encoder these names too; its width tells it.
    config.kind = config.width == kOpenClipWidth ? TextEncoderKind::open_clip : TextEncoderKind::clip;
    config.layers = count_blocks(model, "encoder.layers");
    config.mlp_width = read_size(model, "encoder.layers.0.mlp.fc1.weight", 2, 0);
  } else {
    const Weights model = weights / "model";
    config.kind = TextEncoderKind::open_clip;
    config.width = read_size(model, "ln_final.weight", 1, 0);
    config.layers = count_blocks(model, "transformer.resblocks");
    config.mlp_width = read_size(model, "transformer.resblocks.0.mlp.c_fc.weight", 2, 0);
  }
  require_multiple(weights, "wide", config.width, kHeadWidth);
  if (config.layers_used() < 1) {
    throw Error(ErrorCode::bad_checkpoint, "{}: {} layers, expected more", weights.path(), config.layers);
  }
  return config;
}

}  // namespace easel
