// Golden: tests/golden/models, written by PyTorch 1.13 (see its README).
#include "easel/checkpoint/checkpoint.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <chrono>

#include "tests/checkpoint/expect_error.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kText = "cond_stage_model.transformer.text_model.";

uint32_t crc_of(const WeightData& tensor, uint32_t crc = 0) {
  return static_cast<uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(tensor.bytes.data()), tensor.bytes.size()));
}

// Names and bytes of all tensors, in the order of names.
uint32_t crc_of(const Checkpoint& checkpoint) {
  uint32_t crc = 0;
  for (const WeightData& tensor : checkpoint.tensors()) {
    crc = static_cast<uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(tensor.name.data()), tensor.name.size()));
    crc = crc_of(tensor, crc);
  }
  return crc;
}

void expect_same(const WeightData& actual, const WeightData& expected) {
  EXPECT_EQ(actual.shape, expected.shape) << actual.name;
  EXPECT_EQ(actual.dtype, expected.dtype) << actual.name;
  EXPECT_TRUE(std::equal(actual.bytes.begin(), actual.bytes.end(), expected.bytes.begin(), expected.bytes.end()))
      << actual.name;
}

bool lies_in(const WeightData& tensor, std::span<const std::byte> file) {
  return tensor.bytes.data() >= file.data() && tensor.bytes.data() + tensor.bytes.size() <= file.data() + file.size();
}

TEST(Checkpoint, ZipCkptHasTheBytesThatPyTorchWroteToSafetensors) {
  const auto checkpoint = Checkpoint::open(golden_path("models/sd1-tiny.ckpt"));
  EXPECT_EQ(checkpoint->format(), CheckpointFormat::torch_zip);
  EXPECT_EQ(checkpoint->tensors().size(), 993u);
  EXPECT_EQ(checkpoint->ema_tensor_count(), 5);
  EXPECT_FALSE(checkpoint->has_prefix("model_ema"));
  EXPECT_EQ(crc_of(*checkpoint), 0x66e6a95au);  // of sd1-tiny.safetensors, by Python
}

TEST(Checkpoint, TransposedAndOffsetStoragesOfACkptAreResolved) {
  const auto checkpoint = Checkpoint::open(golden_path("models/sd1-tiny.ckpt"));
  const WeightData* transposed = checkpoint->find(std::string(kText) + "encoder.layers.0.mlp.fc1.weight");
  const WeightData* first = checkpoint->find(std::string(kText) + "final_layer_norm.weight");
  const WeightData* second = checkpoint->find(std::string(kText) + "final_layer_norm.bias");
  ASSERT_TRUE(transposed != nullptr && first != nullptr && second != nullptr);
  EXPECT_EQ(transposed->shape, (Shape{512, 128}));
  EXPECT_EQ(crc_of(*transposed), 0x09a2ce3bu);
  EXPECT_EQ(crc_of(*first), 0x682bd25eu);
  EXPECT_EQ(crc_of(*second), 0xbc1bbeb4u);
  const auto file = checkpoint->mapping()->bytes();
  EXPECT_FALSE(lies_in(*transposed, file));
  EXPECT_TRUE(lies_in(*first, file));
  EXPECT_TRUE(lies_in(*second, file));
}

TEST(Checkpoint, OnlyWhatIsNotContiguousIsCopied) {
  const auto checkpoint = Checkpoint::open(golden_path("models/sd1-tiny.ckpt"));
  int copied = 0;
  for (const WeightData& tensor : checkpoint->tensors()) {
    if (!tensor.bytes.empty() && !lies_in(tensor, checkpoint->mapping()->bytes())) ++copied;
  }
  EXPECT_EQ(copied, 1);
}

// Weights give the pages of their file back, so they must know it.
TEST(Checkpoint, TensorsKnowTheFileTheyLieIn) {
  for (const char* name : {"sd1-tiny.ckpt", "sd1-tiny-legacy.ckpt", "sd2-tiny.safetensors"}) {
    const auto checkpoint = Checkpoint::open(golden_path(std::string("models/") + name));
    for (const WeightData& tensor : checkpoint->tensors()) {
      const bool mapped = lies_in(tensor, checkpoint->mapping()->bytes()) && !tensor.bytes.empty();
      EXPECT_EQ(tensor.mapping, mapped ? checkpoint->mapping() : nullptr) << tensor.name;
    }
  }
}

TEST(Checkpoint, LegacyCkptAgreesWithTheZipOne) {
  const auto legacy = Checkpoint::open(golden_path("models/sd1-tiny-legacy.ckpt"));
  const auto zip = Checkpoint::open(golden_path("models/sd1-tiny.ckpt"));
  EXPECT_EQ(legacy->format(), CheckpointFormat::torch_legacy);
  EXPECT_EQ(legacy->tensors().size(), 204u);
  for (const WeightData& tensor : legacy->tensors()) {
    const WeightData* same = zip->find(tensor.name);
    ASSERT_NE(same, nullptr) << tensor.name;
    expect_same(tensor, *same);
  }
}

TEST(Checkpoint, SafetensorsAgreesWithTheCkptItWasConvertedFrom) {
  const TemporaryFolder folder;
  const auto converted = Checkpoint::open(convert_sd1_tiny(folder.path()));
  EXPECT_EQ(converted->format(), CheckpointFormat::safetensors);
  EXPECT_EQ(crc_of(*converted), 0x66e6a95au);
}

TEST(Checkpoint, ReadsBfloat16) {
  const auto checkpoint = Checkpoint::open(golden_path("models/vae-bf16.safetensors"));
  EXPECT_EQ(checkpoint->metadata().at("format"), "pt");
  for (const WeightData& tensor : checkpoint->tensors()) EXPECT_EQ(tensor.dtype, DType::bf16) << tensor.name;
}

TEST(Checkpoint, TakesTrainingFactsOfACkptAsMetadata) {
  const auto checkpoint = Checkpoint::open(golden_path("models/sd1-tiny.ckpt"));
  EXPECT_EQ(checkpoint->metadata().at("global_step"), "470000");
  EXPECT_EQ(checkpoint->metadata().at("pytorch-lightning_version"), "1.4.2");
}

TEST(Checkpoint, ListsNamesInOrder) {
  const std::vector<WeightData> tensors{f32_tensor("b.weight", {2}), f32_tensor("a", {3}), f32_tensor("b", {1})};
  const auto checkpoint = Checkpoint::from_tensors("memory", tensors);
  EXPECT_THAT(checkpoint->names(), ElementsAre("a", "b", "b.weight"));
  EXPECT_EQ(checkpoint->find("a")->shape, (Shape{3}));
  EXPECT_EQ(checkpoint->find("c"), nullptr);
  EXPECT_TRUE(checkpoint->has_prefix("b."));
  EXPECT_FALSE(checkpoint->has_prefix("a."));
}

TEST(Checkpoint, RefusesTwoTensorsOfOneName) {
  const std::vector<WeightData> tensors{f32_tensor("a", {2}), f32_tensor("a", {3})};
  EXPECT_THAT(message_of([&] { Checkpoint::from_tensors("memory", tensors); }),
              HasSubstr("two tensors are named \"a\""));
}

TEST(Checkpoint, GivesTextEncodersOfPrunedFilesTheirCurrentNames) {
  const std::vector<WeightData> tensors{f32_tensor("cond_stage_model.transformer.final_layer_norm.weight", {2}),
                                        f32_tensor("cond_stage_model.transformer.embeddings.x", {2})};
  EXPECT_THAT(Checkpoint::from_tensors("memory", tensors)->names(),
              ElementsAre("cond_stage_model.transformer.text_model.embeddings.x",
                          "cond_stage_model.transformer.text_model.final_layer_norm.weight"));
}

// 2 GB of weights in a sparse file: opening reads the header and nothing else.
TEST(Checkpoint, OpensAFullSizeFileWithoutReadingIt) {
  const TemporaryFolder folder;
  const auto path = folder / "sd1.safetensors";
  write_sparse_safetensors(path, full_structure("sd1"), DType::f16);
  const auto begin = std::chrono::steady_clock::now();
  const auto checkpoint = Checkpoint::open(path);
  const auto taken = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(checkpoint->tensors().size(), 1130u);
  EXPECT_GT(checkpoint->file_bytes(), 2'000'000'000u);
  EXPECT_LT(taken, std::chrono::milliseconds(500));  // about 5 ms; room for a busy machine and sanitizers
}

TEST(Checkpoint, NamesAMissingFile) {
  EXPECT_THAT(message_of([] { Checkpoint::open("/no/such/file.ckpt"); }, ErrorCode::not_found),
              HasSubstr("/no/such/file.ckpt"));
}

}  // namespace
}  // namespace easel::testing
