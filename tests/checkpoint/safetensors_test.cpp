#include "easel/checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include "tests/checkpoint/expect_error.h"
#include "tests/support/checkpoint_writer.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

TEST(Safetensors, RoundTrip) {
  const std::vector<WeightData> tensors{f32_tensor("b", {2, 3}), f32_tensor("a", {}), f32_tensor("empty", {0, 4})};
  const auto read = parse(safetensors_bytes(tensors, {{"format", "pt"}}));
  ASSERT_EQ(read->tensors().size(), 3u);
  EXPECT_EQ(read->find("b")->shape, (Shape{2, 3}));
  EXPECT_EQ(read->find("a")->shape, Shape());
  EXPECT_EQ(read->find("empty")->shape, (Shape{0, 4}));
  EXPECT_EQ(read->metadata().at("format"), "pt");
  EXPECT_EQ(Parameter(*read->find("b")).values(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST(Safetensors, AllowsSpacesAfterTheHeader) {
  const auto read = parse(safetensors_with_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}    )", 2));
  EXPECT_EQ(read->tensors().size(), 1u);
}

struct Case {
  std::string name;
  std::string header;
  size_t data_bytes;
  std::string message;
};
void PrintTo(const Case& item, std::ostream* out) { *out << item.name; }

const std::vector<Case> kCases{
    {"Empty", "{}", 0, "holds no tensors"},
    {"NotJson", "{nonsense", 0, "the safetensors header is not valid JSON near byte 11"},
    {"Cut", R"({"a":{"dtype":"F32")", 0, "not valid JSON"},
    {"NotUtf8", "{\"\xFF\":1}", 0, "not valid JSON"},
    {"TextAfterHeader", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}x)", 2, "not valid JSON"},
    {"ListOnTop", R"({"a":[1]})", 0, "has an array at \"a\""},
    {"NumberOnTop", R"({"a":1})", 0, "has a number at \"a\""},
    {"NullOnTop", R"({"a":null})", 0, "has null at \"a\""},
    {"Deep", R"({"a":{"dtype":{"x":1}}})", 0, "has an object at \"dtype\""},
    {"DeepList", R"({"a":{"shape":[[1]]}})", 0, "has an array at \"shape\""},
    {"MetadataNumber", R"({"__metadata__":{"step":3}})", 0, "has a number at \"step\""},
    {"MetadataText", R"({"__metadata__":"x"})", 0, "has a string at \"__metadata__\""},
    {"MetadataTwice", R"({"__metadata__":{"x":"1","x":"2"}})", 0, "the metadata name \"x\" twice"},
    {"NameTwice",
     R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2,
     "names \"a\" twice"},
    {"KeyTwice", R"({"a":{"dtype":"U8","dtype":"U8"}})", 0, "the entry of \"a\" has a second key \"dtype\""},
    {"KeyUnknown", R"({"a":{"type":"U8"}})", 0, "the entry of \"a\" has the unknown key \"type\""},
    {"NoShape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, "lacks its dtype, shape or two data_offsets"},
    {"ThreeOffsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, "lacks its dtype, shape or two"},
    {"Negative", R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "has a negative number"},
    {"Fraction", R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})", 1, "is not a 64-bit integer"},
    {"Huge", R"({"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,1]}})", 1, "is not a 64-bit"},
    {"ManyNumbers",
     R"({"a":{"shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,)"
     R"(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}})",
     0, "has a list of more than 64 numbers"},
    {"TypeUnknown", R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1,
     "has the element type \"F8_E4M3\", which easel does not read"},
    {"Rank", R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1, "has 7 dimensions"},
    {"Overflow", R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]}})", 0,
     "is impossibly large"},
    {"OverflowWithZero", R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}})", 0,
     "is impossibly large"},
    {"OverflowToZeroBytes", R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0,
     "is impossibly large"},
    {"SizeDiffers", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
     "\"a\" lies at bytes 0 to 4, but F32 [2] has 8 bytes"},
    {"Backwards", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "lies at bytes 8 to 0"},
    {"BeyondTheEnd", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7,
     "\"a\" ends at byte 8 of the data but only 7 follow; was the download cut short?"},
    {"Hole", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, "there is a hole"},
    {"Overlap",
     R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3,
     "\"b\" begins at byte 1 of the data, expected 2: there is an overlap"},
    {"BytesLeft", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 3, "2 bytes follow the last tensor"},
    {"ControlCharacters", "{\"\\u001b[31m\":1}", 0, "at \"?[31m\""},
};

class MalformedSafetensors : public ::testing::TestWithParam<Case> {};

TEST_P(MalformedSafetensors, IsRefusedWithAReason) {
  const Bytes file = safetensors_with_header(GetParam().header, GetParam().data_bytes);
  const std::string message = message_of([&] { parse(file); });
  EXPECT_THAT(message, HasSubstr("model.bin: "));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, MalformedSafetensors, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(Safetensors, RefusesAHeaderLongerThanTheFile) {
  Bytes file = safetensors_with_header("{}", 0);
  file[0] = std::byte{200};
  EXPECT_THAT(message_of([&] { parse(file); }),
              HasSubstr("the header claims 200 bytes but 2 follow; was the download cut short?"));
}

TEST(Safetensors, RefusesAHeaderBeyondTheLimit) {
  Bytes file = safetensors_with_header("{}", 0);
  file[7] = std::byte{0xFF};
  EXPECT_THAT(message_of([&] { parse(file); }), HasSubstr("expected at most 100000000"));
}

// 200 000 nested arrays: the reader must not recurse.
TEST(Safetensors, RefusesDeepNesting) {
  const Bytes file = safetensors_with_header("{\"a\":{\"shape\":" + std::string(200'000, '['), 0);
  EXPECT_THAT(message_of([&] { parse(file); }), HasSubstr("has an array"));
}

}  // namespace
}  // namespace easel::testing
