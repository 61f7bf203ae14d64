// LoRAs, learned words and ControlNets as jobs see them.
#include "easel/pipeline/adapters.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <cstdlib>

#include "easel/adapter/lora_merge.h"
#include "easel/base/base64.h"
#include "easel/image/codec.h"
#include "easel/pipeline/assets.h"
#include "easel/pipeline/catalogue.h"
#include "easel/pipeline/pipeline.h"
#include "easel/pipeline/settings.h"
#include "easel/prompt/tokenizer.h"
#include "tests/checkpoint/expect_error.h"
#include "tests/control/control_files.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/golden.h"
#include "tests/support/random_values.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kModel = "models/sd1-tiny.ckpt";
constexpr std::string_view kUnet = "model.diffusion_model.";
const std::string kQuery = "input_blocks.1.1.transformer_blocks.0.attn2.to_q";
const std::string kText = "text_model.encoder.layers.0.self_attn.v_proj";

WeightData random_tensor(const std::string& name, const Shape& shape) {
  return f32_tensor(name, shape, random_values(shape.count(), 1.0f, static_cast<unsigned>(name.size())));
}

int largest_difference(const Image& a, const Image& b) {
  int largest = 0;
  for (size_t i = 0; i < a.bytes().size(); ++i) largest = std::max(largest, std::abs(a.bytes()[i] - b.bytes()[i]));
  return largest;
}

// A folder of models with adapters, where the program looks for them.
class Adapters : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("EASEL_MODELS", folder_.path().c_str(), 1);
    for (const char* name : {"loras", "Embeddings", "controlnet"}) std::filesystem::create_directories(folder_ / name);
    write_safetensors(folder_ / "loras/look.safetensors", look());
    write_safetensors(folder_ / "loras/sdxl.safetensors",
                      std::vector{random_tensor("lora_te2_x.lora_down.weight", {2, 1280}),
                                  random_tensor("lora_te2_x.lora_up.weight", {1280, 2})});
  }
  void TearDown() override { ::unsetenv("EASEL_MODELS"); }

  static std::vector<WeightData> look() {
    const std::string unet = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_q";
    const std::string text = "lora_te_text_model_encoder_layers_0_self_attn_v_proj";
    return {random_tensor(unet + ".lora_down.weight", {2, 32}), random_tensor(unet + ".lora_up.weight", {32, 2}),
            random_tensor(text + ".lora_down.weight", {2, 128}), random_tensor(text + ".lora_up.weight", {128, 2})};
  }

  static Request request_for(const std::string& prompt) {
    Request request;
    request.prompt = prompt;
    request.width_px = request.height_px = 64;
    request.steps = 2;
    request.seed = 5;
    return request;
  }
  Result run(const Request& request) { return pipeline_.generate(request); }
  Image draw(const std::string& prompt) { return run(request_for(prompt)).images.at(0).image; }
  std::string refusal(const Request& request, ErrorCode code) {
    return message_of([&] { pipeline_.generate(request); }, code);
  }

  TemporaryFolder folder_;
  Pipeline pipeline_{{.checkpoint = golden_path(kModel)}};
};

TEST_F(Adapters, LorasChangeTheImageAndLeaveNothingBehind) {
  const Image without = draw("a red bird");
  const Image with = draw("a red bird<lora:look:0.8>");
  EXPECT_NE(with, without);
  EXPECT_EQ(draw("a red bird"), without);
  EXPECT_EQ(draw("a red bird<lora:look:0>"), without);
  EXPECT_NE(draw("a red bird<lora:look:0.8:0>"), without);  // the text encoder alone
  EXPECT_NE(draw("a red bird<lora:look:0:0.8>"), without);  // the UNet alone
  EXPECT_EQ(draw("a red bird<lora:look:0.8>"), with);
  // The sum of both has been rounded once more.
  EXPECT_LE(largest_difference(draw("a red bird<lora:look:0.5><lora:look:0.3>"), with), 2);
}

TEST_F(Adapters, TheRequestMayListLoras) {
  Request request = request_for("a red bird");
  request.loras = {{.name = "look", .unet_weight = 0.8, .text_encoder_weight = 0.8}};
  EXPECT_EQ(run(request).images.at(0).image, draw("a red bird<lora:look:0.8>"));
  request.plain_prompt = true;  // tags are ordinary words, the list counts
  request.prompt = "a red bird<lora:unheard of:1>";
  EXPECT_EQ(run(request).images.size(), 1u);
}

// What the merged weights draw is what a checkpoint with these weights draws.
TEST_F(Adapters, ALoraIsAsGoodAsAMergedCheckpoint) {
  const auto model = Checkpoint::open(golden_path(kModel));
  const auto lora = Checkpoint::open(folder_ / "loras/look.safetensors");
  const LoraMerger merger(model);
  std::vector<WeightData> tensors(model->tensors().begin(), model->tensors().end());
  for (WeightData& tensor : tensors) {
    const bool unet = tensor.name == std::string(kUnet) + kQuery + ".weight";
    const bool text = tensor.name == "cond_stage_model.transformer." + kText + ".weight";
    if (!unet && !text) continue;
    const std::string name = unet ? "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_q"
                                  : "lora_te_text_model_encoder_layers_0_self_attn_v_proj";
    std::vector<float> values(static_cast<size_t>(tensor.shape.count()));
    convert_to_f32(tensor.dtype, tensor.bytes, values);
    const auto read = [&](const std::string& suffix) {
      const WeightData& part = *lora->find(name + suffix);
      std::vector<float> numbers(static_cast<size_t>(part.shape.count()));
      convert_to_f32(part.dtype, part.bytes, numbers);
      return numbers;
    };
    const std::vector<float> up = read(".lora_up.weight"), down = read(".lora_down.weight");
    const size_t columns = down.size() / 2;
    for (size_t i = 0; i < values.size(); ++i) {
      double sum = values[i];
      for (size_t r = 0; r < 2; ++r) sum += 0.8 * up[i / columns * 2 + r] * down[r * columns + i % columns];
      values[i] = static_cast<float>(sum);
    }
    const auto halves = std::make_shared<std::vector<uint16_t>>(values.size());
    convert_to_f16(values, *halves);
    tensor.dtype = DType::f16;
    tensor.bytes = std::as_bytes(std::span(*halves));
    tensor.owner = halves;
    tensor.mapping = nullptr;
  }
  write_safetensors(folder_ / "merged.safetensors", tensors);
  Pipeline merged({.checkpoint = folder_ / "merged.safetensors"});
  const Image expected = merged.generate(request_for("a red bird")).images.at(0).image;
  const Image drawn = draw("a red bird<lora:look:0.8>");
  // A weight between two halves may be rounded to either of them.
  for (size_t i = 0; i < drawn.bytes().size(); ++i) ASSERT_NEAR(drawn.bytes()[i], expected.bytes()[i], 2) << i;
}

TEST_F(Adapters, UnknownNamesSuggestTheNearest) {
  EXPECT_THAT(refusal(request_for("a bird<lora:loook:1>"), ErrorCode::not_found),
              AllOf(HasSubstr("there is no LoRA named 'loook'; did you mean look?"), HasSubstr("loras")));
  Request request = request_for("a bird");
  request.controls = {{.model = "edges", .image = Image(64, 64)}};
  EXPECT_THAT(refusal(request, ErrorCode::not_found), HasSubstr("there is no ControlNet named 'edges'"));
  write_safetensors(folder_ / "controlnet/lines.safetensors", look());
  request.controls[0].model = "lins";
  EXPECT_THAT(refusal(request, ErrorCode::not_found),
              HasSubstr("there is no ControlNet named 'lins'; did you mean lines?"));
}

// A word that is no name is an ordinary one: a picture is drawn, with a word of warning.
TEST_F(Adapters, WordsThatAreNearlyLearnedOnesAreTold) {
  write_safetensors(folder_ / "Embeddings/my-zweifel.safetensors", std::vector{f32_tensor("emb_params", {1, 128})});
  write_safetensors(folder_ / "Embeddings/orange1.safetensors", std::vector{f32_tensor("emb_params", {1, 128})});
  const auto warnings = [&](const std::string& prompt) { return run(request_for(prompt)).warnings; };
  const std::string told = "is no learned word; did you mean my-zweifel?";
  EXPECT_THAT(warnings("a bird, (my-zweifl:1.2)"), ElementsAre("the prompt's 'my-zweifl' " + told));
  EXPECT_THAT(warnings("a bird in MyZweifel."), ElementsAre("the prompt's 'MyZweifel' " + told));
  EXPECT_THAT(warnings("my-zweifel and my doubts"), ::testing::IsEmpty());
  EXPECT_THAT(warnings("an orange bird"), ::testing::IsEmpty());  // a word of the language
  Request plain = request_for("a my-zweifl");
  plain.plain_prompt = true;
  EXPECT_THAT(run(plain).warnings, ::testing::IsEmpty());
}

TEST_F(Adapters, LorasOfOtherFamiliesAreRefused) {
  EXPECT_THAT(
      refusal(request_for("a bird<lora:sdxl:1>"), ErrorCode::bad_checkpoint),
      AllOf(HasSubstr("sdxl.safetensors: 1 of its 1 layers do not fit"), HasSubstr("lora_te2_x (down [2, 1280]")));
}

TEST_F(Adapters, MistakesWithLorasAreTold) {
  Request request = request_for("a bird");
  request.negative_prompt = "ugly <lora:look:1>";
  EXPECT_THAT(refusal(request, ErrorCode::invalid_request), HasSubstr("the negative prompt names a LoRA"));
  request = request_for("");
  request.prompts = {"a bird<lora:look:1>", "a cat"};
  EXPECT_THAT(refusal(request, ErrorCode::invalid_request),
              HasSubstr("the prompts of one job name different LoRAs: look:1 and none"));
  request = request_for("a bird");
  request.loras = {{.name = "look", .unet_weight = 1000.0}};
  EXPECT_THAT(refusal(request, ErrorCode::invalid_request), HasSubstr("the weight of the LoRA look is 1000"));
  request.loras = {{.name = ""}};
  EXPECT_THAT(refusal(request, ErrorCode::invalid_request), HasSubstr("a LoRA has no name"));
  request.loras.assign(65, {.name = "look"});
  EXPECT_THAT(refusal(request, ErrorCode::invalid_request), HasSubstr("65 LoRAs, expected at most 64"));
}

TEST_F(Adapters, LorasAreInTheImagesTextAndComeBack) {
  Request request = request_for("a bird <lora:look:0.5>");
  request.loras = {{.name = "look", .unet_weight = 0.25, .text_encoder_weight = 0.75}};
  const std::string text = run(request).images.at(0).parameters;
  EXPECT_THAT(text, AllOf(HasSubstr("a bird <lora:look:0.5>"), HasSubstr("Loras: \"look:0.75:0.25\""),
                          HasSubstr("Lora hashes: \"look: ")));
  const ImageSettings settings = settings_from(parse_infotext(text));
  EXPECT_EQ(settings.request.loras, request.loras);
  EXPECT_EQ(settings.request.prompt, request.prompt);
}

TEST(LoraChoices, AreReadFromText) {
  EXPECT_EQ(parse_lora_choice("a"), (LoraChoice{"a", 1.0, 1.0}));
  EXPECT_EQ(parse_lora_choice("a:0.5"), (LoraChoice{"a", 0.5, 0.5}));
  EXPECT_EQ(parse_lora_choice("a:0.5:2"), (LoraChoice{.name = "a", .unet_weight = 2.0, .text_encoder_weight = 0.5}));
  const auto refusal = [](const char* text) {
    return message_of([&] { parse_lora_choice(text); }, ErrorCode::invalid_request);
  };
  EXPECT_THAT(refusal("a:x"), HasSubstr("'x' is no weight"));
  EXPECT_THAT(refusal(""), HasSubstr("is not understood"));
  EXPECT_THAT(refusal("a:1:2:3"), HasSubstr("expected NAME, NAME:WEIGHT"));
}

TEST(AdapterRequests, GoThroughJson) {
  const Request request = parse_request(
      R"({"prompt": "a", "loras": ["x:0.5", {"name": "y", "weight": 0.8, "text_weight": 0.1}],
          "controls": [{"model": "edges", "weight": 0.7, "start": 0.1, "end": 0.9, "preprocessor": "canny",
                        "canny_low": 50, "image": ")" +
      to_base64(encode_image(Image(1, 1))) + R"("}]})");
  EXPECT_THAT(request.loras, ElementsAre(LoraChoice{"x", 0.5, 0.5}, LoraChoice{"y", 0.8, 0.1}));
  ASSERT_EQ(request.controls.size(), 1u);
  EXPECT_EQ(request.controls[0].preprocessor, ControlPreprocessor::canny);
  EXPECT_EQ(request.controls[0].canny_low, 50);
  EXPECT_EQ(to_json(parse_request(to_json(request))), to_json(request));
  const auto refusal = [](const std::string& json) {
    return message_of([&] { parse_request(json); }, ErrorCode::invalid_request);
  };
  EXPECT_THAT(refusal(R"({"loras": [3]})"), HasSubstr("expected LoRAs such as"));
  EXPECT_THAT(refusal(R"({"loras": [{"name": "a", "strength": 3}]})"), HasSubstr("strength"));
  EXPECT_THAT(refusal(R"({"controls": [{"name": "a"}]})"), HasSubstr("no such key in a ControlNet"));
  EXPECT_THAT(refusal(R"({"controls": [{"model": "a"}]})"), HasSubstr("needs an image that it follows"));
}

TEST(AdapterRequests, ControlsAreChecked) {
  const auto refusal = [](const ControlChoice& choice) {
    Request request;
    request.controls = {choice};
    return message_of([&] { check(request); }, ErrorCode::invalid_request);
  };
  const Image image(8, 8);
  EXPECT_THAT(refusal({.model = "", .image = image}), HasSubstr("a ControlNet has no name"));
  EXPECT_THAT(refusal({.model = "e", .image = image, .weight = 11}), HasSubstr("the weight of the ControlNet e is 11"));
  EXPECT_THAT(refusal({.model = "e", .image = image, .start = 0.5, .end = 0.4}),
              HasSubstr("the end of the ControlNet e"));
  EXPECT_THAT(refusal({.model = "e", .image = image, .canny_low = 5}),
              HasSubstr("its preprocessor is none, not canny"));
  EXPECT_THAT(
      refusal(
          {.model = "e", .image = image, .preprocessor = ControlPreprocessor::canny, .canny_low = 5, .canny_high = 4}),
      HasSubstr("the high threshold"));
}

// Vectors that equal those of two words draw what these words draw.
TEST_F(Adapters, LearnedWordsStandForTheirVectors) {
  const auto model = Checkpoint::open(golden_path(kModel));
  const WeightData& table = *model->find("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight");
  std::vector<float> all(static_cast<size_t>(table.shape.count()));
  convert_to_f32(table.dtype, table.bytes, all);
  const Tokenizer tokenizer = Tokenizer::open(require_asset(kBpeMerges));
  std::vector<float> vectors;
  for (const int32_t id : tokenizer.encode("red bird")) {
    const auto row = all.begin() + static_cast<ptrdiff_t>(id) * 128;
    vectors.insert(vectors.end(), row, row + 128);
  }
  write_safetensors(folder_ / "Embeddings/zweifel.safetensors",
                    std::vector{f32_tensor("emb_params", {2, 128}, vectors)});
  EXPECT_EQ(draw("a zweifel in snow"), draw("a red bird in snow"));
  EXPECT_EQ(draw("a (zweifel:1.3) in snow"), draw("a (red bird:1.3) in snow"));
  EXPECT_NE(draw("a zweifel"), draw("a (zweifel:0.5)"));
  Request plain = request_for("a zweifel in snow");
  plain.plain_prompt = true;
  EXPECT_NE(run(plain).images.at(0).image, draw("a red bird in snow"));

  write_safetensors(folder_ / "Embeddings/other.safetensors", std::vector{f32_tensor("emb_params", {2, 768})});
  EXPECT_THAT(
      refusal(request_for("an other bird"), ErrorCode::bad_checkpoint),
      AllOf(HasSubstr("the prompt uses the embedding other"),
            HasSubstr("whose vectors have 768 numbers, as embeddings for SD 1.x have, but this model takes 128")));
  EXPECT_EQ(draw("a zweifel in snow"), draw("a red bird in snow"));  // others are not opened
}

TEST_F(Adapters, ControlNetsSteerTheImage) {
  const auto file = control_file(original_name);
  write_safetensors(folder_ / "controlnet/lines.safetensors", file->tensors());
  Image picture(64, 64, {255, 255, 255});
  for (int64_t y = 16; y < 48; ++y) std::fill_n(picture.pixel(20, y), 60, uint8_t{0});
  Request request = request_for("a red bird");
  const Image without = run(request).images.at(0).image;
  request.controls = {{.model = "lines", .image = picture, .weight = 0.5}};
  const Image with = run(request).images.at(0).image;
  EXPECT_NE(with, without);
  EXPECT_THAT(run(request).images.at(0).parameters,
              HasSubstr("ControlNet 0: \"Module: none, Model: lines, Weight: 0.5"));
  request.controls[0].preprocessor = ControlPreprocessor::canny;
  EXPECT_NE(run(request).images.at(0).image, with);
  request.controls[0].weight = 0.0;
  EXPECT_EQ(run(request).images.at(0).image, without);
  request.controls[0] = {
      .model = "lines", .image = picture, .weight = 0.5, .end = 0.4};  // ends within the first of 2 steps
  EXPECT_EQ(run(request).images.at(0).image, without);
  request.controls[0].end = 0.5;
  EXPECT_NE(run(request).images.at(0).image, without);
  request.controls.clear();
  EXPECT_EQ(run(request).images.at(0).image, without);
}

TEST_F(Adapters, ControlNetsCountInTheMemoryPlanAndGiveWay) {
  write_safetensors(folder_ / "controlnet/lines.safetensors", control_file(original_name)->tensors());
  Request request = request_for("a red bird");
  const uint64_t without = run(request).planned_bytes;
  request.controls = {{.model = "lines", .image = Image(64, 64, {200, 10, 90}), .weight = 0.5}};
  const Result freely = run(request);
  EXPECT_GT(freely.planned_bytes, without + std::filesystem::file_size(folder_ / "controlnet/lines.safetensors") / 2);
  Pipeline tight({.checkpoint = golden_path(kModel), .memory_limit_bytes = freely.planned_bytes - 1});
  const Result tightly = tight.generate(request);
  EXPECT_LT(tightly.planned_bytes, freely.planned_bytes);
  EXPECT_EQ(tightly.images.at(0).image, freely.images.at(0).image);
}

TEST_F(Adapters, ControlNetsFollowTheInitialImageAndTheSecondPass) {
  const auto file = control_file(original_name);
  write_safetensors(folder_ / "controlnet/lines.safetensors", file->tensors());
  Request request = request_for("a red bird");
  request.task = Task::img2img;
  request.init_image = Image(64, 64, {200, 10, 90});
  const Image without = run(request).images.at(0).image;
  request.controls = {{.model = "lines"}};
  const Image with = run(request).images.at(0).image;
  EXPECT_NE(with, without);
  request.controls[0].image = request.init_image;
  EXPECT_EQ(run(request).images.at(0).image, with);
  Request larger = request_for("a red bird");
  larger.hires_scale = 2.0;
  larger.controls = {{.model = "lines", .image = Image(64, 64)}, {.model = "lines", .image = Image(32, 96)}};
  EXPECT_EQ(run(larger).images.at(0).image.size(), (Size{128, 128}));
}

// SD 2: v prediction, OpenCLIP, heads of 64 channels. What it computes is tests/control's affair.
TEST_F(Adapters, ControlNetsSteerSd2) {
  const auto file = control_file(original_name, kSd2Control);
  write_safetensors(folder_ / "controlnet/lines2.safetensors", file->tensors());
  Pipeline sd2({.checkpoint = golden_path(kSd2Control.model)});
  Request request = request_for("a red bird");
  const auto drawn = [&] { return sd2.generate(request).images.at(0).image; };
  const Image without = drawn();
  EXPECT_EQ(sd2.model().prediction, "v");
  request.controls = {{.model = "lines2", .image = Image(64, 64, {255, 255, 255})}};
  const Image with = drawn();
  EXPECT_NE(with, without);
  request.controls[0].image = Image(64, 64);
  EXPECT_NE(drawn(), with);
  request.controls[0].weight = 0.0;
  EXPECT_EQ(drawn(), without);
}

TEST_F(Adapters, ControlNetsOfOtherModelsAreRefused) {
  const auto file = control_file(original_name);
  write_safetensors(folder_ / "controlnet/lines.safetensors", file->tensors());
  Pipeline other({.checkpoint = golden_path("models/sd2-tiny.safetensors")});
  Request request = request_for("a red bird");
  request.controls = {{.model = "lines", .image = Image(64, 64)}};
  EXPECT_THAT(message_of([&] { other.generate(request); }), HasSubstr("this ControlNet"));
  request.controls[0].model = "look";
  write_safetensors(folder_ / "controlnet/look.safetensors", look());
  EXPECT_THAT(refusal(request, ErrorCode::bad_checkpoint), HasSubstr("is a LoRA; expected a ControlNet"));
}

TEST_F(Adapters, AreListedButAreNoModels) {
  const auto names = [](AdapterKind kind) {
    std::vector<std::string> out;
    for (const AdapterFile& file : list_adapters(kind)) out.push_back(file.name);
    return out;
  };
  EXPECT_THAT(names(AdapterKind::lora), AllOf(Contains("look"), Contains("sdxl")));
  for (const ModelFile& model : list_models()) EXPECT_NE(model.path.stem(), "look");
  EXPECT_EQ(inspect_file(folder_ / "loras/look.safetensors").adapter, "LoRA");
  EXPECT_THAT(
      inspect_file(folder_ / "loras/look.safetensors").family_text,
      HasSubstr("a LoRA of rank 2 for a text encoder of width 128: 1 layers of the UNet, 1 of the text encoder"));
}

}  // namespace
}  // namespace easel::testing
