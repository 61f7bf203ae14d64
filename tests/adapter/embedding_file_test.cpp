// Textual-inversion files.
#include "easel/adapter/embedding_file.h"

#include <gmock/gmock.h>

#include <limits>

#include "tests/checkpoint/expect_error.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

EmbeddingFile embedding(std::vector<WeightData> tensors) {
  return EmbeddingFile::from(*Checkpoint::from_tensors("file", std::move(tensors)));
}

TEST(EmbeddingFile, ReadsEveryForm) {
  for (const char* name : {"emb_params", "string_to_param.*", "<cat-toy>"}) {
    const EmbeddingFile two = embedding({f32_tensor(name, {2, 3})});
    EXPECT_EQ(two.count, 2);
    EXPECT_EQ(two.width, 3);
    EXPECT_THAT(two.values, ElementsAre(0, 1, 2, 3, 4, 5));
  }
  EXPECT_EQ(embedding({f32_tensor("<x>", {768})}).count, 1);
  EXPECT_EQ(embedding({f32_tensor("emb_params", {2, 3}), f32_tensor("step", {})}).count, 2);
}

TEST(EmbeddingFile, ReadsThePickleOfA1111) {
  const WeightData one = f32_tensor("", {2, 3});
  const std::vector<int64_t> sizes{2, 3}, strides{3, 1};
  PickleWriter pickle;
  pickle.raw("\x80\x02}(").text("string_to_token").raw("}").text("*").integer(265).raw("s").text("string_to_param");
  pickle.raw("}")
      .text("*")
      .tensor("FloatStorage", "0", 6, 0, sizes, strides)
      .raw("s")
      .text("name")
      .text("x")
      .text("step")
      .integer(2500);
  pickle.text("sd_checkpoint").text("4bdfc29c").text("sd_checkpoint_name").raw("Nu");
  const auto file = parse(torch_zip_with_pickle(pickle.finish(), Bytes(one.bytes.begin(), one.bytes.end())));
  EXPECT_THAT(EmbeddingFile::from(*file).values, ElementsAre(0, 1, 2, 3, 4, 5));
  const EmbeddingHeader header = EmbeddingHeader::from(*file);
  EXPECT_EQ(header.count, 2);
  EXPECT_EQ(header.width, 3);
  EXPECT_EQ(header.step, 2500);
  EXPECT_EQ(header.sd_checkpoint, "4bdfc29c");
  EXPECT_EQ(header.sd_checkpoint_name, std::nullopt);
}

// As CompVis' textual inversion saves them: a torch.nn.ParameterDict. Golden: tools/goldens/embedding.py, PyTorch.
TEST(EmbeddingFile, ReadsParametersOfPyTorch) {
  const EmbeddingFile two = EmbeddingFile::open(golden_path("embeddings/parameter_dict.pt"));
  EXPECT_EQ(two.count, 2);
  EXPECT_THAT(two.values, ElementsAre(0, 0.5, 1, 1.5, 2, 2.5));
}

TEST(EmbeddingFile, RefusesWhatIsNone) {
  const auto refusal = [](std::vector<WeightData> tensors) {
    return message_of([&] { embedding(std::move(tensors)); });
  };
  EXPECT_THAT(refusal({f32_tensor("a", {2, 3}), f32_tensor("b", {2, 3})}),
              HasSubstr("no textual-inversion embedding of one word: expected one tensor of vectors, found a [2, 3]"));
  EXPECT_THAT(refusal({f32_tensor("emb_params", {2, 3, 4})}), HasSubstr("found emb_params [2, 3, 4]"));
  EXPECT_THAT(refusal({f32_tensor("emb_params", {76, 3})}), HasSubstr("expected 1 to 75 vectors"));
  std::vector<WeightData> many;
  for (int i = 0; i < 9; ++i) many.push_back(f32_tensor("string_to_param." + std::to_string(i), {1, 3}));
  const std::string all = refusal(many);
  for (int i = 0; i < 9; ++i) EXPECT_THAT(all, HasSubstr("string_to_param." + std::to_string(i) + " [1, 3]"));
  EXPECT_THAT(refusal({f32_tensor("clip_g", {2, 4}), f32_tensor("clip_l", {2, 3})}), HasSubstr("for SDXL"));
  EXPECT_THAT(refusal({f32_tensor("emb_params", {1, 1}, std::vector<float>{std::numeric_limits<float>::infinity()})}),
              HasSubstr("not finite"));
}

}  // namespace
}  // namespace easel::testing
