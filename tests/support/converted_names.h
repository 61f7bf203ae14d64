// Names and shapes as stable-diffusion.cpp converts them, from those of an original checkpoint.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "easel/checkpoint/checkpoint.h"
#include "easel/tensor/shape.h"
#include "tests/support/golden.h"

namespace easel::testing {

// OpenCLIP's names become those of Hugging Face's CLIP; nothing else has another name.
inline std::string converted_name(std::string name) {
  static const std::pair<std::string_view, std::string_view> kReplacements[] = {
      {"cond_stage_model.model.transformer.resblocks.", "cond_stage_model.transformer.text_model.encoder.layers."},
      {"cond_stage_model.model.token_embedding.",
       "cond_stage_model.transformer.text_model.embeddings.token_embedding."},
      {"cond_stage_model.model.positional_embedding",
       "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"},
      {"cond_stage_model.model.ln_final.", "cond_stage_model.transformer.text_model.final_layer_norm."},
      {".attn.out_proj.", ".self_attn.out_proj."},
      {".ln_1.", ".layer_norm1."},
      {".ln_2.", ".layer_norm2."},
      {".mlp.c_fc.", ".mlp.fc1."},
      {".mlp.c_proj.", ".mlp.fc2."},
  };
  if (!name.starts_with("cond_stage_model.model.")) return name;
  for (const auto& [from, to] : kReplacements) {
    if (const size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
  }
  return name;
}

inline std::map<std::string, Shape> converted_structure(const std::map<std::string, Shape>& original) {
  std::map<std::string, Shape> out;
  for (const auto& [name, shape] : original) {
    const std::string renamed = converted_name(name);
    const bool projection = name.ends_with("proj_in.weight") || name.ends_with("proj_out.weight");
    if (const size_t at = renamed.find(".attn.in_proj_"); at != std::string::npos) {  // in three parts
      const std::string ending = renamed.substr(renamed.rfind('_') + 1);              // weight or bias
      const Shape third = shape.rank() == 2 ? Shape{shape[0] / 3, shape[1]} : Shape{shape[0] / 3};
      for (const char* part : {"q", "k", "v"}) {
        out[renamed.substr(0, at) + ".self_attn." + part + "_proj." + ending] = third;
      }
    } else if (name.starts_with("model.diffusion_model.") && projection && shape.rank() == 2) {
      out[renamed] = Shape{shape[0], shape[1], 1, 1};
    } else {
      out[renamed] = shape;
    }
  }
  return out;
}

// checkpoint_structure(NAME), converted: zeros of full size.
inline std::shared_ptr<const Checkpoint> converted_checkpoint(const std::string& name) {
  const auto original = checkpoint_structure(name);
  std::map<std::string, Shape> shapes;
  const WeightData* largest = &original->tensors().front();
  for (const WeightData& tensor : original->tensors()) {
    shapes[tensor.name] = tensor.shape;
    if (tensor.bytes.size() > largest->bytes.size()) largest = &tensor;
  }
  std::vector<WeightData> tensors;
  for (const auto& [renamed, shape] : converted_structure(shapes)) {
    tensors.push_back({.name = renamed,
                       .shape = shape,
                       .dtype = DType::f16,
                       .bytes = largest->bytes.first(static_cast<size_t>(2 * shape.count())),
                       .owner = largest->owner});
  }
  return Checkpoint::from_tensors("converted.gguf", std::move(tensors));
}

}  // namespace easel::testing
