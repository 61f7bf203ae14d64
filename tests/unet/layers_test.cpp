// Golden: unet.0.act.* of tests/golden/models, outputs of the parts of the first res block and transformer. Each layer
// is given the reference's input, so that its own error is seen and no other's.
#include "easel/ops/arithmetic.h"
#include "tests/unet/models.h"

namespace easel::testing {
namespace {

class EachUNetLayer : public ::testing::TestWithParam<Model> {
 protected:
  EachUNetLayer() {
    // The first level with transformers: a res block ("input_blocks.3.0") and a transformer ("input_blocks.3.1").
    const auto level = std::find_if(config_.levels.begin(), config_.levels.end(),
                                    [](const UNetLevel& level) { return level.has_transformers; });
    const int64_t index = 1 + (level - config_.levels.begin()) * (config_.res_blocks + 1);
    block_ = "input_blocks." + std::to_string(index);
    before_ = "input_blocks." + std::to_string(index - 1);
    level_ = *level;
  }

  Tensor activation(const std::string& module) const {
    const std::string name = "unet.0.act." + module;
    return golden_.shape(name).rank() == 4 ? golden_.nhwc(name) : golden_[name];
  }
  // An activation of the transformer as tokens [1, h w, c].
  Tensor tokens(const std::string& part) const {
    const Tensor out = activation(block_ + ".1." + part);
    return out.shape().rank() == 3 ? out : out.reshape({1, out.dim(1) * out.dim(2), out.dim(3)});
  }
  Tensor in_block(const std::string& part) const { return tokens("transformer_blocks.0." + part); }
  Weights transformer_weights() const { return weights_ / block_ / 1; }
  Weights block_weights() const { return transformer_weights() / "transformer_blocks.0"; }
  Tensor context() const { return golden_["unet.0.context"].slice(0, 1); }

  const Golden golden_ = GetParam().golden();
  const Weights weights_ = GetParam().unet_weights();
  const UNetConfig config_ = UNetConfig::from(weights_);
  std::string block_;
  std::string before_;
  UNetLevel level_;
};

TEST_P(EachUNetLayer, ResBlockMatchesTheReference) {
  Tensor time = activation("time_embed");
  if (config_.classes > 0) time = time + activation("label_emb");
  const Tensor x = activation(before_);
  const ResBlock block(weights_ / block_ / 0,
                       {.c_in = x.dim(3), .c_out = level_.channels, .d_time = config_.time_width()});
  // Two 3x3 convolutions, one after the other.
  EXPECT_TENSOR_NEAR(block(x, time), activation(block_ + ".0"), network_tolerance(9 * level_.channels, 2));
}

TEST_P(EachUNetLayer, TransformerPartsMatchTheReference) {
  const int64_t width = level_.channels;
  const int64_t pixels = tokens("proj_in").dim(1);
  const double linear = tolerance(DType::f32, width);
  const double normalised = tolerance(DType::f32, pixels * width / GroupNorm::kGroups);
  const GroupNorm norm(transformer_weights() / "norm", width, 1e-6f);
  EXPECT_TENSOR_NEAR(norm(activation(block_ + ".0")), activation(block_ + ".1.norm"), normalised);
  const Linear proj_in(transformer_weights() / "proj_in", width, width);
  EXPECT_TENSOR_NEAR(proj_in(tokens("norm")), tokens("proj_in"), linear);
  const Linear proj_out(transformer_weights() / "proj_out", width, width);
  EXPECT_TENSOR_NEAR(proj_out(tokens("transformer_blocks.0")), tokens("proj_out"), linear);

  const LayerNorm norm1(block_weights() / "norm1", width);
  EXPECT_TENSOR_NEAR(norm1(tokens("proj_in")), in_block("norm1"), linear);
  const LayerNorm norm2(block_weights() / "norm2", width);
  EXPECT_TENSOR_NEAR(norm2(tokens("proj_in") + in_block("attn1")), in_block("norm2"), linear);
  const LayerNorm norm3(block_weights() / "norm3", width);
  EXPECT_TENSOR_NEAR(norm3(tokens("proj_in") + in_block("attn1") + in_block("attn2")), in_block("norm3"), linear);
  const FeedForward feed_forward(block_weights() / "ff", width);
  EXPECT_TENSOR_NEAR(feed_forward(in_block("norm3")), in_block("ff"), network_tolerance(4 * width, 2));
}

TEST_P(EachUNetLayer, AttentionMatchesTheReference) {
  const TransformerConfig config = transformer_config(config_, level_);
  const int64_t longest = std::max({in_block("norm1").dim(1), config.context_width, config.width});
  const double attention = network_tolerance(longest, 4);  // to_k, scores, weighted values, to_out

  const int64_t attn1_context = config.self_attention ? config.width : config.context_width;
  const CrossAttention attn1(block_weights() / "attn1",
                             {.width = config.width, .context_width = attn1_context, .heads = config.heads});
  const Tensor seen = config.self_attention ? in_block("norm1") : context();
  EXPECT_TENSOR_NEAR(attn1(in_block("norm1"), attn1.keys_values(seen)), in_block("attn1"), attention);

  const CrossAttention attn2(block_weights() / "attn2",
                             {.width = config.width, .context_width = config.context_width, .heads = config.heads});
  EXPECT_TENSOR_NEAR(attn2(in_block("norm2"), attn2.keys_values(context())), in_block("attn2"), attention);
}

TEST_P(EachUNetLayer, TransformerMatchesTheReference) {
  const TransformerConfig config = transformer_config(config_, level_);
  const int64_t longest = std::max({tokens("proj_in").dim(1), config.context_width, 4 * config.width});
  const TransformerBlock block(block_weights(), config);
  EXPECT_TENSOR_NEAR(block(tokens("proj_in"), block.read_prompt(context())), tokens("transformer_blocks.0"),
                     network_tolerance(longest, 10));
  const SpatialTransformer transformer(transformer_weights(), config);
  EXPECT_TENSOR_NEAR(transformer(activation(block_ + ".0"), transformer.read_prompt(context())),
                     activation(block_ + ".1"), network_tolerance(longest, 12));
}

INSTANTIATE_TEST_SUITE_P(Models, EachUNetLayer, ::testing::ValuesIn(observed_models()), model_name);

}  // namespace
}  // namespace easel::testing
