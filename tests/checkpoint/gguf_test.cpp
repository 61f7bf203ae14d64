#include "easel/checkpoint/gguf.h"

#include <gtest/gtest.h>

#include "tests/checkpoint/expect_error.h"
#include "tests/support/gguf_writer.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kF32 = 0, kF16 = 1, kQ8_0 = 8, kQ4_K = 12;
constexpr uint32_t kU8 = 0, kU32 = 4, kI32 = 5, kFloat = 6, kBool = 7, kString = 8, kArray = 9;

Bytes counting(size_t count) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

TEST(Gguf, ShapesAreReversedAndBytesStay) {
  const auto read = parse(GgufWriter()
                              .tensor("linear.weight", {64, 3}, kQ8_0, 0)  // [3, 64]: 6 blocks of 34 bytes
                              .tensor("conv.weight", {3, 2, 4, 5}, kF16, 224)
                              .tensor("scalar", {}, kF32, 480)
                              .finish(counting(484)));
  EXPECT_EQ(read->format(), CheckpointFormat::gguf);
  const WeightData& linear = *read->find("linear.weight");
  EXPECT_EQ(linear.shape, (Shape{3, 64}));
  EXPECT_EQ(linear.dtype, DType::q8_0);
  EXPECT_EQ(linear.bytes.size(), 204u);
  EXPECT_EQ(linear.bytes[7], std::byte{7});
  EXPECT_EQ(read->find("conv.weight")->shape, (Shape{5, 4, 2, 3}));
  EXPECT_EQ(read->find("conv.weight")->bytes[0], std::byte{224});
  EXPECT_EQ(read->find("scalar")->shape, Shape());
}

TEST(Gguf, MetadataOfEveryTypeBecomeText) {
  const auto read = parse(GgufWriter()
                              .key("name", kString)
                              .text("a model")
                              .key("count", kU32)
                              .number<uint32_t>(7)
                              .key("small", kU8)
                              .number<uint8_t>(200)
                              .key("half", kFloat)
                              .number(0.5f)
                              .key("flag", kBool)
                              .number<uint8_t>(1)
                              .key("words", kArray)
                              .number(kString)
                              .number<uint64_t>(2)
                              .text("a")
                              .text("b")
                              .tensor("a", {1}, kF32, 0)
                              .finish(4));
  const std::map<std::string, std::string> expected{{"name", "a model"}, {"count", "7"},   {"small", "200"},
                                                    {"half", "0.5"},     {"flag", "true"}, {"words", "[a, b]"}};
  EXPECT_EQ(read->metadata(), expected);
}

TEST(Gguf, LongArraysAreShortened) {
  GgufWriter writer;
  writer.key("many", kArray).number(kI32).number<uint64_t>(1000);
  for (int32_t i = 0; i < 1000; ++i) writer.number(i);
  const auto read = parse(writer.tensor("a", {1}, kF32, 0).finish(4));
  EXPECT_THAT(read->metadata().at("many"), HasSubstr("62, 63, ... 1000 in all]"));
}

TEST(Gguf, Version2AndOtherAlignments) {
  GgufWriter writer;
  writer.version = 2;
  writer.alignment = 64;
  writer.key("general.alignment", kU32).number<uint32_t>(64);
  const auto read = parse(writer.tensor("a", {2}, kF32, 0).tensor("b", {1}, kF32, 64).finish(counting(68)));
  EXPECT_EQ(read->find("b")->bytes[0], std::byte{64});
  EXPECT_TRUE(read->metadata().empty());
}

GgufWriter& shape_note(GgufWriter& writer, const std::string& name, const std::vector<int32_t>& dims) {
  writer.key("comfy.gguf.orig_shape." + name, kArray).number(kI32).number<uint64_t>(dims.size());
  for (const int32_t dim : dims) writer.number(dim);
  return writer;
}

TEST(Gguf, FlattenedTensorsGetTheirShapeBack) {
  GgufWriter writer;
  const auto read =
      parse(shape_note(writer, "conv.weight", {2, 32, 3, 3}).tensor("conv.weight", {288, 2}, kQ8_0, 0).finish(612));
  EXPECT_EQ(read->find("conv.weight")->shape, (Shape{2, 32, 3, 3}));
  EXPECT_TRUE(read->metadata().empty());
}

struct Case {
  std::string name;
  Bytes file;
  std::string message;
};
void PrintTo(const Case& item, std::ostream* out) { *out << item.name; }

Bytes with_version(uint32_t version) {
  GgufWriter writer;
  writer.version = version;
  return writer.tensor("a", {1}, kF32, 0).finish(4);
}

Bytes with_counts(uint64_t tensors, uint64_t values) {
  Bytes file = to_bytes("GGUF");
  for (const uint64_t number : {tensors, values}) {
    if (file.size() == 4) file.insert(file.end(), {std::byte{3}, std::byte{0}, std::byte{0}, std::byte{0}});
    for (int i = 0; i < 64; i += 8) file.push_back(static_cast<std::byte>(number >> i));
  }
  return file;
}

Bytes with_shape_note(const std::vector<int32_t>& dims) {
  GgufWriter writer;
  return shape_note(writer, "a", dims).tensor("a", {32, 2}, kQ8_0, 0).finish(68);
}

std::vector<Case> cases() {
  const uint64_t huge = uint64_t{1} << 60;
  return {
      {"NoTensors", GgufWriter().finish(0), "holds no tensors"},
      {"Version1", with_version(1), "is GGUF version 1, expected 2 or 3"},
      {"Version4", with_version(4), "is GGUF version 4, expected 2 or 3"},
      {"BigEndian", with_version(3u << 24), "is a big-endian GGUF file"},
      {"ManyTensors", with_counts(100'001, 0), "claims 100001 tensors, expected at most 100000"},
      {"ManyValues", with_counts(1, huge), "metadata entries, expected at most 100000"},
      {"Cut", with_counts(1, 1), "the GGUF header is cut short: 8 bytes are wanted at byte 24 and 0 follow"},
      {"LongKey", GgufWriter().key(std::string(4097, 'k'), kU8).number<uint8_t>(1).finish(0), "a key of 4097 bytes"},
      {"EmptyName", GgufWriter().tensor("", {1}, kF32, 0).finish(4), "a tensor name of 0 bytes"},
      {"KeyTwice", GgufWriter().key("k", kU8).number<uint8_t>(1).key("k", kU8).number<uint8_t>(1).finish(0),
       "the metadata name \"k\" twice"},
      {"ValueType", GgufWriter().key("k", 13).finish(0), "the metadata \"k\" has the unknown type 13"},
      {"LongText", GgufWriter().key("k", kString).number(huge).finish(0), "bytes are wanted"},
      {"ArrayOfArrays", GgufWriter().key("k", kArray).number(kArray).number<uint64_t>(1).finish(0),
       "is an array of arrays"},
      {"LongArray", GgufWriter().key("k", kArray).number(kU8).number(huge).finish(0),
       "the metadata \"k\" claims 1152921504606846976 elements but"},
      {"Alignment", GgufWriter().key("general.alignment", kU32).number<uint32_t>(24).finish(0),
       "general.alignment is 24, expected a power of two from 8"},
      {"NoAlignment", GgufWriter().key("general.alignment", kU32).number<uint32_t>(0).finish(0),
       "general.alignment is 0, expected"},
      {"Rank", GgufWriter().tensor("a", {1, 1, 1, 1, 1, 1, 1}, kF32, 0).finish(4), "\"a\" has 7 dimensions"},
      {"Large", GgufWriter().tensor("a", {huge}, kF32, 0).finish(4), "is impossibly large"},
      {"LargeProduct", GgufWriter().tensor("a", {1u << 31, 1u << 31, 1u << 31}, kF32, 0).finish(4),
       "the shape [2147483648, 2147483648, 2147483648] of \"a\" is impossibly large"},
      {"Type", GgufWriter().tensor("a", {256}, 23, 0).finish(136),
       "\"a\" has the GGUF element type 23, which easel does not read; expected F32, F16"},
      {"HalfBlock", GgufWriter().tensor("a", {48, 2}, kQ8_0, 0).finish(102),
       "\"a\" has rows of 48 elements, expected a multiple of 32, a block of Q8_0"},
      {"SuperBlock", GgufWriter().tensor("a", {320, 4}, kQ4_K, 0).finish(720),
       "\"a\" has rows of 320 elements, expected a multiple of 256, a block of Q4_K"},
      {"Unaligned", GgufWriter().tensor("a", {1}, kF32, 4).finish(8),
       "\"a\" begins at byte 4 of the data, expected a multiple of 32"},
      {"Outside", GgufWriter().tensor("a", {3}, kF32, 0).finish(11),
       "\"a\" has 12 bytes from byte 0 of the data on, but the file holds 11; was the download cut short?"},
      {"FarOutside", GgufWriter().tensor("a", {1}, kF32, ~uint64_t{31}).finish(64), "but the file holds 64"},
      {"Overlap", GgufWriter().tensor("a", {16}, kF32, 0).tensor("b", {8}, kF32, 32).finish(64),
       "\"a\" and \"b\" overlap"},
      {"SamePlace", GgufWriter().tensor("a", {8}, kF32, 0).tensor("b", {8}, kF32, 0).finish(32), "overlap"},
      {"NameTwice", GgufWriter().tensor("a", {8}, kF32, 0).tensor("a", {8}, kF32, 32).finish(64),
       "two tensors are named \"a\""},
      {"ShapeNote", with_shape_note({3, 32}), "\"a\" is stored as [2, 32], but comfy.gguf.orig_shape.a says [3, 32]"},
      {"NegativeShape", with_shape_note({-2, -32}), "says [-2, -32]"},
      {"DeepShape", with_shape_note({2, 32, 1, 1, 1, 1, 1}), "says [2, 32, 1, 1, 1, 1, 1]"},
      {"NoShape", with_shape_note({}), "says []"},
  };
}

class MalformedGguf : public ::testing::TestWithParam<Case> {};

TEST_P(MalformedGguf, IsRefused) {
  const std::string message = message_of([] { parse(GetParam().file); });
  EXPECT_THAT(message, HasSubstr("model.bin: "));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(Cases, MalformedGguf, ::testing::ValuesIn(cases()),
                         [](const auto& item) { return item.param.name; });

TEST(Gguf, EveryTypeHasOneNumber) {
  for (uint32_t number = 0; number < 64; ++number) {
    const auto dtype = gguf_dtype(number);
    EXPECT_TRUE(!dtype || gguf_number(*dtype) == number) << number;
  }
  EXPECT_EQ(gguf_dtype(2), DType::q4_0);
  EXPECT_EQ(gguf_dtype(30), DType::bf16);
  EXPECT_EQ(gguf_dtype(4), std::nullopt);
  EXPECT_EQ(gguf_number(DType::boolean), std::nullopt);
}

}  // namespace
}  // namespace easel::testing
