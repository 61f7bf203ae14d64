#include "easel/checkpoint/torch_file.h"

#include <gtest/gtest.h>

#include "tests/checkpoint/expect_error.h"
#include "tests/support/checkpoint_writer.h"

namespace easel::testing {
namespace {

using namespace std::string_view_literals;
using ::testing::HasSubstr;

constexpr std::string_view kDict = "\x80\x02}(";

// {"w": a view of storage "0", six floats 0..5}
Bytes view_of_six(int64_t offset, std::vector<int64_t> sizes, std::vector<int64_t> strides, int64_t claimed = 6) {
  const WeightData six = f32_tensor("", {6});
  return torch_zip_with_pickle(PickleWriter()
                                   .raw(kDict)
                                   .text("w")
                                   .tensor("FloatStorage", "0", claimed, offset, sizes, strides)
                                   .raw("u")
                                   .finish(),
                               Bytes(six.bytes.begin(), six.bytes.end()));
}
std::vector<float> values_of_w(const Bytes& file) { return Parameter(*parse(file)->find("w")).values(); }
// {"w": what `pickle` pushes}, in a zip.
Bytes zip_with_value(std::string_view opcodes) {
  return torch_zip_with_pickle(PickleWriter().raw(kDict).text("w").raw(opcodes).raw("u").finish());
}
Bytes zip_with_pickle(std::string_view opcodes) { return torch_zip_with_pickle(to_bytes(opcodes)); }

TEST(TorchFile, RoundTripOfEveryFormat) {
  std::vector<WeightData> tensors{f32_tensor("a", {2, 3}), f32_tensor("b", {}), f32_tensor("c", {0, 2})};
  for (const Bytes& file : {torch_zip_bytes(tensors), torch_zip_bytes(tensors, true), torch_legacy_bytes(tensors)}) {
    const auto read = parse(file);
    ASSERT_EQ(read->tensors().size(), 3u);
    for (const WeightData& tensor : tensors) {
      EXPECT_EQ(read->find(tensor.name)->shape, tensor.shape);
      EXPECT_EQ(Parameter(*read->find(tensor.name)).values(), Parameter(tensor).values());
    }
  }
}

TEST(TorchFile, ReadsEveryStorageType) {
  for (const DType dtype : {DType::f16, DType::bf16, DType::f32, DType::f64, DType::i64, DType::i32, DType::i16,
                            DType::i8, DType::u8, DType::boolean}) {
    const std::vector<std::byte> bytes(static_cast<size_t>(3 * size_of(dtype)), std::byte{1});
    const WeightData tensor{.name = "w", .shape = {3}, .dtype = dtype, .bytes = bytes, .owner = nullptr};
    EXPECT_EQ(parse(torch_zip_bytes({&tensor, 1}))->find("w")->dtype, dtype);
    EXPECT_EQ(parse(torch_legacy_bytes({&tensor, 1}))->find("w")->dtype, dtype);
  }
}

TEST(TorchFile, ResolvesViews) {
  EXPECT_EQ(values_of_w(view_of_six(2, {2, 2}, {2, 1})), (std::vector<float>{2, 3, 4, 5}));
  EXPECT_EQ(values_of_w(view_of_six(0, {3, 2}, {1, 3})), (std::vector<float>{0, 3, 1, 4, 2, 5}));  // transposed
  EXPECT_EQ(values_of_w(view_of_six(1, {3}, {2})), (std::vector<float>{1, 3, 5}));                 // every second
  EXPECT_EQ(values_of_w(view_of_six(4, {2, 2}, {0, 1})), (std::vector<float>{4, 5, 4, 5}));        // expanded
  EXPECT_EQ(values_of_w(view_of_six(5, {1, 1}, {100, 100})), (std::vector<float>{5}));
  EXPECT_EQ(values_of_w(view_of_six(6, {0, 3}, {3, 1})), (std::vector<float>{}));
}

TEST(TorchFile, RefusesViewsBeyondTheStorage) {
  const auto refused = [](const Bytes& file) { return message_of([&] { parse(file); }); };
  EXPECT_THAT(refused(view_of_six(0, {7}, {1})), HasSubstr("the tensor \"w\" reaches beyond its storage"));
  EXPECT_THAT(refused(view_of_six(3, {2, 2}, {2, 1})), HasSubstr("reaches beyond its storage"));
  EXPECT_THAT(refused(view_of_six(7, {1}, {1})), HasSubstr("reaches beyond its storage"));
  EXPECT_THAT(refused(view_of_six(-1, {1}, {1})), HasSubstr("impossible size, stride or offset"));
  EXPECT_THAT(refused(view_of_six(0, {2}, {-1})), HasSubstr("impossible size, stride or offset"));
  EXPECT_THAT(refused(view_of_six(0, {int64_t{1} << 40, int64_t{1} << 40}, {0, 0})), HasSubstr("impossibly large"));
  EXPECT_THAT(refused(view_of_six(0, {int64_t{1} << 40, int64_t{1} << 40, 0}, {0, 0, 1})),
              HasSubstr("impossibly large"));
  EXPECT_THAT(refused(view_of_six(0, {int64_t{1} << 50}, {0})), HasSubstr("repeats its storage beyond all measure"));
  EXPECT_THAT(refused(view_of_six(0, {1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1})), HasSubstr("at most 6 sizes"));
  EXPECT_THAT(refused(view_of_six(0, {1, 1}, {1})), HasSubstr("another number of strides than of sizes"));
  EXPECT_THAT(refused(view_of_six(0, {1}, {1}, 7)), HasSubstr("has 24 bytes, expected 28"));
}

TEST(TorchFile, SkipsWhatIsNoTensor) {
  const WeightData one = f32_tensor("", {1});
  PickleWriter pickle;
  pickle.raw(kDict).text("epoch").integer(3).text("hyper").global("omegaconf.base", "Node").raw(")\x81}");
  pickle.text("content").integer(1).raw("sb").text("quantised").tensor("QInt8Storage", "9", 5, 0, {}, {});
  const std::vector<int64_t> size{1};
  pickle.text("w").tensor("FloatStorage", "0", 1, 0, size, size).raw("u");
  const auto read = parse(torch_zip_with_pickle(pickle.finish(), Bytes(one.bytes.begin(), one.bytes.end())));
  EXPECT_EQ(read->names(), std::vector<std::string>{"w"});
}

TEST(TorchFile, LeavesTheMovingAverageOut) {
  const std::vector<WeightData> tensors{f32_tensor("a", {2}), f32_tensor("model_ema.a", {2})};
  for (const Bytes& file : {torch_zip_bytes(tensors), torch_legacy_bytes(tensors), safetensors_bytes(tensors)}) {
    EXPECT_EQ(parse(file)->names(), std::vector<std::string>{"a"});
    EXPECT_EQ(parse(file)->ema_tensor_count(), 1);
  }
}

TEST(TorchFile, ReadsTensorsOneLevelDown) {
  const WeightData one = f32_tensor("", {1});
  const std::vector<int64_t> size{1};
  PickleWriter pickle;
  pickle.raw(kDict).text("string_to_param").raw("}").text("*").tensor("FloatStorage", "0", 1, 0, size, size).raw("su");
  const auto read = parse(torch_zip_with_pickle(pickle.finish(), Bytes(one.bytes.begin(), one.bytes.end())));
  EXPECT_EQ(read->names(), std::vector<std::string>{"string_to_param.*"});
}

// {"string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(...)})}, as torch.nn.Module is pickled.
TEST(TorchFile, ReadsTheTensorsOfAParameterDict) {
  const WeightData one = f32_tensor("", {1});
  const std::vector<int64_t> size{1};
  const auto names = [&](std::string_view module, std::string_view class_name, std::string_view list,
                         bool with_source = false) {
    PickleWriter pickle;
    pickle.raw(kDict).text("string_to_param");
    if (with_source) pickle.raw("(").text("module");  // as the old stream does
    pickle.global(module, class_name);
    if (with_source) pickle.text("container.py").text("class ParameterDict: pass").raw("tQ");
    pickle.raw(")\x81}(");
    pickle.text("training").raw("\x88").text(list).global("collections", "OrderedDict").raw(")R").text("*");
    pickle.global("torch._utils", "_rebuild_parameter").raw("(").tensor("FloatStorage", "0", 1, 0, size, size);
    pickle.raw("\x88").global("collections", "OrderedDict").raw(")RtRsubu");
    return parse(torch_zip_with_pickle(pickle.finish(), Bytes(one.bytes.begin(), one.bytes.end())))->names();
  };
  EXPECT_EQ(names("torch.nn.modules.container", "ParameterDict", "_parameters"),
            std::vector<std::string>{"string_to_param.*"});
  EXPECT_EQ(names("torch.nn.modules.container", "ParameterDict", "_parameters", true),
            std::vector<std::string>{"string_to_param.*"});
  EXPECT_THAT(message_of([&] { names("torch.nn.modules.container", "ParameterDict", "_buffers"); }),
              HasSubstr("holds no tensors"));
  EXPECT_THAT(message_of([&] { names("somebody.elses", "ParameterDict", "_parameters"); }),
              HasSubstr("holds no tensors"));
}

// What these would do in Python: os.system("..."), eval("..."), __import__("os").
TEST(TorchFile, RefusesAttacksAndRunsNothing) {
  for (const std::string_view pickle : {"\x80\x02"
                                        "cposix\nsystem\nX\x04\0\0\0true\x85R."sv,
                                        "\x80\x02"
                                        "cos\nsystem\nX\x04\0\0\0true\x85R."sv,
                                        "\x80\x02"
                                        "csubprocess\nPopen\n)R."sv,
                                        "\x80\x02"
                                        "c__builtin__\neval\nX\x01\0\0\0"
                                        "1\x85R."sv,
                                        "\x80\x04\x8c\x08"
                                        "builtins\x8c\x04"
                                        "exec\x93)R."sv,
                                        "(X\x04\0\0\0trueios\nsystem\n."sv,
                                        "\x80\x02"
                                        "cos.path\njoin\n)R."sv}) {
    EXPECT_THAT(message_of([&] { parse(zip_with_pickle(pickle)); }), HasSubstr("easel ran nothing; delete the file"));
  }
  EXPECT_THAT(message_of([&] { parse(zip_with_value("cposix\nsystem\nX\x04\0\0\0true\x85R"sv)); }),
              HasSubstr("its pickle calls posix.system"));
}

TEST(TorchFile, DoesNotMistakeTheNamesOfOthers) {  // "osgeo" is not "os"
  EXPECT_THAT(message_of([] { parse(zip_with_value("cosgeo\nx\n)R"sv)); }), HasSubstr("holds no tensors"));
}

struct Case {
  std::string name;
  std::string pickle;
  std::string message;
};
void PrintTo(const Case& item, std::ostream* out) { *out << item.name; }

const std::vector<Case> kMalformedPickles{
    {"Empty", "", "the pickle is cut short"},
    {"NoStop", "\x80\x02}", "the pickle is cut short: 1 bytes are wanted at byte 3"},
    {"NothingLeft", "\x80\x02.", "takes from an empty stack"},
    {"Opcode", "\x80\x02\xFE.", "the pickle at byte 2 has the opcode 0xfe, which PyTorch does not write"},
    {"Extension", "\x80\x02\x82\x01.", "has the opcode 0x82"},
    {"Protocol", "\x80\x06}.", "has protocol 6, expected at most 5"},
    {"TextBeyondTheEnd", std::string("\x80\x02X\xFF\xFF\xFF\xFFx.", 9), "the pickle is cut short: 4294967295 bytes"},
    {"HugeText", "\x80\x04\x8d\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF.", "the pickle is cut short"},
    {"NoMark", "\x80\x02t.", "has no mark"},
    {"PopsMark", "\x80\x02(0.", "takes from an empty stack"},
    {"MemoUnset", "\x80\x02h\x05.", "recalls value 5, which it did not store"},
    {"MemoHuge", "\x80\x02Nr\xFF\xFF\xFF\xFF.", "remembers more than 2000000 values"},
    {"AppendToNone", "\x80\x02NNa.", "adds items to None"},
    {"OddDict", "\x80\x02}(Nu.", "has a key without a value"},
    {"CallWithoutTuple", "\x80\x02NNR.", "calls with arguments that are no tuple"},
    {"GlobalWithoutEnd",
     "\x80\x02"
     "cos",
     "names a class without an end"},
    {"StackGlobal", "\x80\x04NN\x93.", "names a class by no text"},
    {"NoDict", "\x80\x02N.", "holds None, expected a dict of tensors"},
    {"Model",
     "\x80\x02"
     "cldm.models\nLatentDiffusion\n)\x81.",
     "holds an object of ldm.models.LatentDiffusion"},
    {"NoTensors", "\x80\x02}.", "holds no tensors"},
};

class MalformedPickle : public ::testing::TestWithParam<Case> {};

TEST_P(MalformedPickle, IsRefusedWithAReason) {
  const std::string message = message_of([] { parse(zip_with_pickle(GetParam().pickle)); });
  EXPECT_THAT(message, HasSubstr("model.bin: "));
  EXPECT_THAT(message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, MalformedPickle, ::testing::ValuesIn(kMalformedPickles),
                         [](const auto& info) { return info.param.name; });

// Tensors whose description is wrong in one place.
TEST(TorchFile, RefusesMalformedTensors) {
  const auto refused = [](std::string_view arguments) {
    return message_of(
        [&] { parse(zip_with_value("ctorch._utils\n_rebuild_tensor_v2\n" + std::string(arguments) + "R")); });
  };
  EXPECT_THAT(refused(")"), HasSubstr("the tensor \"w\" has too few arguments"));
  EXPECT_THAT(refused("(NNNNt"), HasSubstr("the tensor \"w\" has no storage"));
  EXPECT_THAT(refused("(NQK\0))t"sv), HasSubstr("the tensor \"w\" has no storage"));
  EXPECT_THAT(refused("((NNNNNtQK\0))t"sv), HasSubstr("the tensor \"w\" has no storage"));
}

TEST(TorchFile, SurvivesNestingOfAnyDepth) {
  std::string nested(1'000'000, ']');   // lists,
  nested += std::string(999'999, 'a');  // each put into the one before
  nested = "\x80\x02" + nested + ".";
  EXPECT_THAT(message_of([&] { parse(zip_with_pickle(nested)); }), HasSubstr("holds a list"));
  const std::string marks = "\x80\x02" + std::string(1'000'000, '(');
  EXPECT_THAT(message_of([&] { parse(zip_with_pickle(marks)); }), HasSubstr("cut short"));
}

TEST(TorchFile, BoundsTheNumberOfValues) {
  EXPECT_THAT(message_of([] { parse(zip_with_pickle("\x80\x02" + std::string(3'000'000, ']'))); }),
              HasSubstr("has more than 2000000 values"));
  EXPECT_THAT(message_of([] { parse(zip_with_pickle("\x80\x02N" + std::string(5'000'000, '2'))); }),
              HasSubstr("piles up more than 4000000 values"));
}

TEST(TorchFile, SurvivesCycles) {  // a dict that contains itself
  EXPECT_THAT(message_of([] { parse(zip_with_pickle("\x80\x02}q\0X\x01\0\0\0wh\0s."sv)); }),
              HasSubstr("holds no tensors"));
}

TEST(TorchFile, RefusesBigEndianFiles) {
  const std::vector<ZipFile> files{{"a/data.pkl", to_bytes("\x80\x02}.")}, {"a/byteorder", to_bytes("big")}};
  EXPECT_THAT(message_of([&] { parse(zip_bytes(files)); }), HasSubstr("was saved on a big-endian machine"));
  const std::vector<WeightData> tensors{f32_tensor("a", {2})};
  Bytes legacy = torch_legacy_bytes(tensors);
  const auto truth = std::find(legacy.begin(), legacy.end(), std::byte{0x88});
  *truth = std::byte{0x89};
  EXPECT_THAT(message_of([&] { parse(legacy); }), HasSubstr("was saved on a big-endian machine"));
}

TEST(TorchFile, RefusesOtherZips) {
  const auto refused = [](std::vector<ZipFile> files) { return message_of([&] { parse(zip_bytes(files)); }); };
  EXPECT_THAT(refused({{"readme.txt", to_bytes("x")}}), HasSubstr("no PyTorch checkpoint: it has no data.pkl"));
  EXPECT_THAT(refused({{"v1-5.ckpt", to_bytes("x")}}), HasSubstr("unpack it and give the .safetensors or .ckpt"));
  EXPECT_THAT(refused({{"a/data.pkl", to_bytes("x")}, {"b/data.pkl", to_bytes("x")}}), HasSubstr("two checkpoints"));
  EXPECT_THAT(refused({{"a/data.pkl", to_bytes("x")}, {"a/data.pkl", to_bytes("x")}}), HasSubstr("appears twice"));
}

// Files beyond 4 GB, such as SD 2.0's with its moving average, have their sizes and offsets in zip64 fields.
TEST(TorchFile, ReadsZip64) {
  const WeightData six = f32_tensor("", {6});
  const std::vector<int64_t> size{6};
  const std::vector<int64_t> stride{1};
  PickleWriter pickle;
  pickle.raw(kDict).text("w").tensor("FloatStorage", "0", 6, 0, size, stride).raw("u");
  const std::vector<ZipFile> files{{"a/data.pkl", pickle.finish()},
                                   {"a/data/0", Bytes(six.bytes.begin(), six.bytes.end())}};
  const Bytes whole = zip_bytes(files, true);
  EXPECT_EQ(values_of_w(whole), Parameter(six).values());
  const size_t locator = whole.size() - 22 - 20;
  for (const size_t damaged : {locator, locator + 15, locator - 56, locator - 1, locator - 9, locator - 17}) {
    Bytes file = whole;
    file[damaged] ^= std::byte{0x40};
    EXPECT_THAT(message_of([&] { parse(file); }), HasSubstr("zip directory"));
  }
}

// PyTorch 2 writes types that have no storage class of their own as bytes with the tensor's type beside them.
TEST(TorchFile, ReadsUntypedStorages) {
  const WeightData six = f32_tensor("", {6});
  PickleWriter pickle;
  pickle.raw(kDict).text("w").global("torch._utils", "_rebuild_tensor_v3").raw("((").text("storage");
  pickle.global("torch.storage", "UntypedStorage").text("0").text("cpu").integer(24).raw("tQ").integer(2);
  pickle.sizes(std::vector<int64_t>{4}).sizes(std::vector<int64_t>{1}).raw("\x89N").global("torch", "float32");
  const Bytes file = torch_zip_with_pickle(pickle.raw("tRu").finish(), Bytes(six.bytes.begin(), six.bytes.end()));
  EXPECT_EQ(values_of_w(file), (std::vector<float>{2, 3, 4, 5}));
}

// In the old stream a storage may be a part of another one: (its own key, offset, element count).
TEST(TorchFile, ReadsStoragesThatArePartsOfOthers) {
  const std::vector<WeightData> tensors{f32_tensor("w", {6})};
  Bytes file = torch_legacy_bytes(tensors);
  const Bytes none_at_the_end = to_bytes("NtQ");
  const auto at = std::search(file.begin(), file.end(), none_at_the_end.begin(), none_at_the_end.end());
  ASSERT_NE(at, file.end());
  Bytes part = PickleWriter().raw("(").text("1").integer(2).integer(4).raw("t").finish();
  part.pop_back();  // STOP
  file.insert(file.erase(at), part.begin(), part.end());
  EXPECT_THAT(message_of([&] { parse(file); }), HasSubstr("the tensor \"w\" reaches beyond its storage"));
  const Bytes six = PickleWriter().integer(6).finish();  // the size of w, after the element count of its storage
  const auto size = std::find_end(file.begin(), file.end(), six.begin(), six.end() - 1);
  ASSERT_NE(size, file.end());
  size[2] = std::byte{4};
  EXPECT_EQ(values_of_w(file), (std::vector<float>{2, 3, 4, 5}));
}

TEST(TorchFile, NamesAMissingStorage) {
  const std::vector<int64_t> size{1};
  PickleWriter pickle;
  pickle.raw(kDict).text("w").tensor("FloatStorage", "7", 1, 0, size, size).raw("u");
  EXPECT_THAT(message_of([&] { parse(torch_zip_with_pickle(pickle.finish())); }),
              HasSubstr("the storage \"archive/data/7\" is missing from the zip"));
}

TEST(TorchFile, RefusesDamagedZips) {
  const std::vector<WeightData> tensors{f32_tensor("a", {200})};
  const Bytes whole = torch_zip_bytes(tensors, true);
  const auto refused = [](const Bytes& file) { return message_of([&] { parse(file); }); };
  EXPECT_THAT(refused(Bytes(whole.begin(), whole.end() - 30)), HasSubstr("but was cut short; download it again"));
  Bytes encrypted = whole;
  const size_t directory = static_cast<size_t>(whole[whole.size() - 6]) | static_cast<size_t>(whole[whole.size() - 5])
                                                                              << 8;
  encrypted[directory + 8] = std::byte{1};
  EXPECT_THAT(refused(encrypted), HasSubstr("is encrypted"));
  Bytes method = whole;
  method[directory + 10] = std::byte{12};
  EXPECT_THAT(refused(method), HasSubstr("is packed with method 12"));
  Bytes bomb = whole;
  bomb[directory + 27] = std::byte{0x7F};
  EXPECT_THAT(refused(bomb), HasSubstr("the zip directory is damaged"));
  Bytes checksum = whole;
  checksum[directory + 16] ^= std::byte{1};
  EXPECT_THAT(refused(checksum), HasSubstr("is damaged; download the file again"));
  Bytes moved = whole;
  moved[directory + 42] = std::byte{9};
  EXPECT_THAT(refused(moved), HasSubstr("is not where the directory says"));
}

TEST(TorchFile, RefusesMalformedStreams) {
  const std::vector<WeightData> tensors{f32_tensor("a", {2})};
  const Bytes whole = torch_legacy_bytes(tensors);
  const auto refused = [](const Bytes& file) { return message_of([&] { parse(file); }); };
  EXPECT_THAT(refused(to_bytes("\x80\x02}. some other pickle")),
              HasSubstr("is a Python pickle (a dict) but no PyTorch"));
  EXPECT_THAT(refused(Bytes(whole.begin(), whole.end() - 1)), HasSubstr("the list of storages is cut short"));
  Bytes version = whole;
  version[18] = std::byte{0};
  EXPECT_THAT(refused(version), HasSubstr("of the old PyTorch format, expected 1001"));
  Bytes count = whole;
  count[whole.size() - 16] = std::byte{3};
  EXPECT_THAT(refused(count), HasSubstr("has 3 elements, expected 2"));
}

}  // namespace
}  // namespace easel::testing
