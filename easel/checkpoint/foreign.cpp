#include "easel/checkpoint/foreign.h"

#include <algorithm>
#include <vector>

namespace easel {
namespace {

enum class Match { prefix, contains };

struct Key {
  Match match;
  std::string_view text;
};

struct Rule {
  ForeignKind foreign;
  std::vector<Key> all;   // every one of these is there
  std::vector<Key> none;  // and none of these
};

constexpr Key begins(std::string_view text) { return {Match::prefix, text}; }
constexpr Key has(std::string_view text) { return {Match::contains, text}; }

constexpr std::string_view kUnet = "model.diffusion_model.input_blocks.0.0.weight";
constexpr std::string_view kBeside = "give it with --vae FILE beside a checkpoint";
constexpr std::string_view kLora = "use it beside one, with --lora FILE or <lora:name:0.8> in a prompt";
constexpr std::string_view kControl = "use it beside one, with --control FILE=IMAGE";
constexpr std::string_view kWord = "put it into the folder 'embeddings' of your models and its name into a prompt";
constexpr std::string_view kForDepth = "'easel depth' takes it";
constexpr std::string_view kSingleFile =
    "take the model's single-file .safetensors or .ckpt instead of its diffusers folder";

// From the most specific to the least.
const std::vector<Rule>& rules() {
  static const std::vector<Rule> kRules{
      {{"a LoRA", kLora}, {has(".lora_up.")}, {}},
      {{"a LoRA", kLora}, {has(".lora_down.")}, {}},
      {{"a LoRA", kLora}, {has(".lora_A.")}, {}},
      {{"a LoRA", kLora}, {has(".lora.up.")}, {}},
      {{"a LoRA (LyCORIS)", ""}, {has(".hada_w1_")}, {}},
      {{"a LoRA (LyCORIS)", ""}, {has(".lokr_w")}, {}},
      {{"a LoRA", kLora}, {begins("lora_unet_")}, {}},
      {{"a ControlNet", kControl}, {begins("control_model.")}, {}},
      {{"a ControlNet", kControl}, {begins("input_hint_block.")}, {}},
      {{"a ControlNet", kControl}, {begins("controlnet_cond_embedding.")}, {}},
      {{"an IP-Adapter", ""}, {begins("ip_adapter.")}, {}},
      {{"an AnimateDiff motion module", ""}, {has("motion_modules.")}, {}},
      {{"a textual-inversion embedding", kWord}, {begins("string_to_param.")}, {}},
      {{"a textual-inversion embedding", kWord}, {begins("emb_params")}, {}},
      {{"an SDXL textual-inversion embedding", ""}, {begins("clip_g"), begins("clip_l")}, {}},
      {{"a Stable Video Diffusion checkpoint", ""}, {has(".time_stack.")}, {}},
      {{"an SDXL base checkpoint", ""}, {begins("conditioner.embedders.1."), begins(kUnet)}, {}},
      {{"an SDXL refiner checkpoint", ""}, {begins("conditioner.embedders.0.model."), begins(kUnet)}, {}},
      {{"an SD 2.1 unCLIP checkpoint", ""}, {begins("embedder.model."), begins(kUnet)}, {}},
      {{"an SD 2.1 unCLIP checkpoint", ""},
       {begins("model.diffusion_model.label_emb.0.0."), begins("cond_stage_model.model.")},
       {}},
      {{"an SDXL checkpoint", ""}, {begins("model.diffusion_model.label_emb.0.0.")}, {}},
      {{"an SD 3 checkpoint", ""}, {has("joint_blocks.0.")}, {}},
      {{"a Flux checkpoint", ""}, {has("double_blocks.0."), has("single_blocks.0.")}, {}},
      {{"a Stable Cascade checkpoint", ""}, {has("clip_txt_pooled_mapper.")}, {}},
      {{"a Stable Cascade checkpoint", ""}, {has("effnet_mapper.")}, {}},
      {{"a PixArt checkpoint", ""}, {has("adaln_single.")}, {}},
      {{"an AltDiffusion checkpoint", ""}, {begins("cond_stage_model.roberta.")}, {}},
      {{"a latent diffusion text2img-large checkpoint", ""}, {begins("cond_stage_model.transformer.token_emb.")}, {}},
      {{"a class-conditional latent diffusion checkpoint", ""}, {begins("cond_stage_model.embedding.")}, {}},
      {{"a UNet in diffusers layout", kSingleFile}, {begins("down_blocks.0."), begins("time_embedding.linear_1.")}, {}},
      {{"a tiny VAE (TAESD)", kBeside}, {begins("decoder.layers."), begins("encoder.layers.")}, {}},
      {{"a tiny VAE (TAESD)", kBeside}, {begins("1.weight"), begins("3.conv.4.")}, {}},
      {{"the encoder of a tiny VAE (TAESD)", ""}, {begins("0.weight"), begins("3.conv.4.")}, {}},
      {{"a VAE in diffusers layout", kSingleFile}, {begins("decoder.up_blocks."), begins("decoder.conv_in.")}, {}},
      {{"a VAE alone", kBeside}, {begins("decoder.conv_in."), begins("decoder.mid.")}, {begins(kUnet)}},
      {{"a VAE alone", kBeside},
       {begins("first_stage_model.")},
       {begins("model.diffusion_model."), begins("cond_stage_model.")}},
      {{"a CLIP text encoder alone", ""}, {begins("text_model.encoder.layers.")}, {begins(kUnet)}},
      {{"a CLIP text encoder alone", ""}, {begins("transformer.resblocks.")}, {begins(kUnet)}},
      {{"a text encoder alone", ""}, {begins("cond_stage_model.")}, {begins("model.diffusion_model.")}},
      {{"a T5 text encoder alone", ""}, {begins("encoder.block.0.layer.0.SelfAttention.")}, {}},
      {{"a depth network alone", kForDepth}, {begins("depth_model.")}, {begins("model.diffusion_model.")}},
      {{"a depth network alone", kForDepth}, {begins("pretrained.model."), begins("scratch.refinenet1.")}, {}},
      {{"an ESRGAN upscaler", ""}, {has("RDB1.conv1.")}, {}},
      {{"an ESRGAN upscaler", ""}, {has("rdb1.conv1.")}, {}},
      {{"a UNet alone", "take the complete checkpoint"},
       {begins("input_blocks.0.0."), begins("time_embed.0.")},
       {begins("model.diffusion_model.")}},
  };
  return kRules;
}

bool is_there(const Checkpoint& checkpoint, const Key& key) {
  if (key.match == Match::prefix) return checkpoint.has_prefix(key.text);
  const auto tensors = checkpoint.tensors();
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const WeightData& tensor) { return tensor.name.find(key.text) != std::string::npos; });
}

// One or two tensors of a few token vectors: what an embedding file of the diffusers library holds.
bool is_bare_embedding(const Checkpoint& checkpoint) {
  const auto tensors = checkpoint.tensors();
  return !tensors.empty() && tensors.size() <= 2 &&
         std::all_of(tensors.begin(), tensors.end(), [](const WeightData& tensor) {
           const Shape& shape = tensor.shape;
           const bool vectors = shape.rank() == 1 || (shape.rank() == 2 && shape[0] <= 128);
           return vectors && (shape[-1] == 768 || shape[-1] == 1024 || shape[-1] == 1280);
         });
}

}  // namespace

std::optional<ForeignKind> find_foreign_kind(const Checkpoint& checkpoint) {
  const auto there = [&](const Key& key) { return is_there(checkpoint, key); };
  for (const Rule& rule : rules()) {
    if (std::all_of(rule.all.begin(), rule.all.end(), there) &&
        std::none_of(rule.none.begin(), rule.none.end(), there)) {
      return rule.foreign;
    }
  }
  if (is_bare_embedding(checkpoint)) return ForeignKind{"a textual-inversion embedding", kWord};
  return std::nullopt;
}

}  // namespace easel
