// Damaged files of every format: each either reads or gives an Error; never anything else. Run it under the sanitizers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "easel/base/error.h"
#include "easel/checkpoint/inspect.h"
#include "easel/checkpoint/weights.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/gguf_writer.h"

namespace easel::testing {
namespace {

struct Format {
  std::string name;
  Bytes file;
};
void PrintTo(const Format& item, std::ostream* out) { *out << item.name; }

Bytes gguf_bytes() {
  GgufWriter writer;
  writer.key("general.alignment", 4).number<uint32_t>(32).key("name", 8).text("a model");
  writer.key("comfy.gguf.orig_shape.conv.weight", 9).number<uint32_t>(5).number<uint64_t>(3);
  writer.number<int32_t>(2).number<int32_t>(8).number<int32_t>(4);
  writer.tensor("conv.weight", {32, 2}, 8, 0).tensor("a.bias", {3}, 0, 96).tensor("k.weight", {256}, 12, 128);
  return writer.finish(128 + 144);
}

std::vector<Format> formats() {
  std::vector<WeightData> tensors{f32_tensor("model.diffusion_model.input_blocks.0.0.weight", {2, 4, 1, 1}),
                                  f32_tensor("cond_stage_model.model.ln_final.bias", {3}), f32_tensor("betas", {5}),
                                  f32_tensor("empty", {0})};
  return {{"safetensors", safetensors_bytes(tensors, {{"format", "pt"}})},
          {"gguf", gguf_bytes()},
          {"zip", torch_zip_bytes(tensors)},
          {"deflated_zip", torch_zip_bytes(tensors, true)},
          {"legacy", torch_legacy_bytes(tensors)}};
}

// Reads all there is to read. An Error is an answer.
bool reads(const Bytes& file) {
  try {
    const auto checkpoint = parse(file);
    for (const WeightData& tensor : checkpoint->tensors()) {
      if (tensor.shape.count() < 1'000'000) static_cast<void>(Parameter(tensor).values());
    }
    static_cast<void>(inspect(*checkpoint));
    return true;
  } catch (const Error& error) {
    EXPECT_THAT(std::string(error.what()), ::testing::StartsWith("model.bin"));
    return false;
  }
}

class Mutation : public ::testing::TestWithParam<Format> {};

TEST_P(Mutation, WholeFileReads) { EXPECT_TRUE(reads(GetParam().file)); }

TEST_P(Mutation, EveryTruncationIsRefused) {
  const Bytes& file = GetParam().file;
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(reads(Bytes(file.begin(), file.begin() + static_cast<ptrdiff_t>(size)))) << size << " bytes";
  }
}

TEST_P(Mutation, EveryByteSetToExtremes) {
  for (size_t i = 0; i < GetParam().file.size(); ++i) {
    for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      Bytes file = GetParam().file;
      file[i] = static_cast<std::byte>(value);
      reads(file);
    }
  }
}

TEST_P(Mutation, RandomDamage) {
  std::mt19937 random(0);
  for (int round = 0; round < 5000; ++round) {
    Bytes file = GetParam().file;
    const auto place = [&] { return static_cast<ptrdiff_t>(random() % file.size()); };
    for (unsigned flips = 1 + random() % 8; flips > 0; --flips) {
      file[static_cast<size_t>(place())] ^= static_cast<std::byte>(1u << random() % 8);
    }
    if (random() % 4 == 0) {  // a piece is repeated or lost, so that every offset after it is wrong
      const auto [low, high] = std::minmax({place(), place()});
      const Bytes piece(file.begin() + low, file.begin() + high);
      if (random() % 2 == 0) {
        file.insert(file.begin() + low, piece.begin(), piece.end());
      } else {
        file.erase(file.begin() + low, file.begin() + high);
      }
    }
    reads(file);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Mutation, ::testing::ValuesIn(formats()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace easel::testing
