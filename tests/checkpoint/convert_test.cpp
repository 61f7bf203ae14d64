#include "easel/checkpoint/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "easel/tensor/blocks.h"
#include "tests/checkpoint/expect_error.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

using ::testing::HasSubstr;

WeightData noise(const std::string& name, const Shape& shape) {
  std::mt19937 random(static_cast<unsigned>(name.size()));
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(shape.count()));
  for (float& value : values) value = normal(random);
  return f32_tensor(name, shape, values);
}

std::vector<WeightData> some_tensors() {
  return {noise("model.diffusion_model.input_blocks.0.0.weight", {32, 4, 3, 3}),
          noise("model.diffusion_model.input_blocks.1.0.in_layers.2.weight", {16, 32, 3, 3}),
          noise("model.diffusion_model.input_blocks.1.0.in_layers.2.bias", {16}),
          noise("model.diffusion_model.input_blocks.1.1.proj_in.weight", {32, 32, 1, 1}),
          noise("model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight", {32, 64}),
          noise("model.diffusion_model.input_blocks.1.1.transformer_blocks.0.odd.weight", {8, 33}),
          noise("model.diffusion_model.time_embed.0.weight", {32, 32}),
          noise("first_stage_model.decoder.conv_in.weight", {8, 32, 3, 3}),
          noise("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight", {64, 32}),
          noise("alphas_cumprod", {64})};
}

class Convert : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::vector<WeightData>& tensors,
                              const std::map<std::string, std::string>& metadata = {}) const {
    write_safetensors(folder_ / "in.safetensors", tensors, metadata);
    return folder_ / "in.safetensors";
  }
  std::shared_ptr<const Checkpoint> converted(const std::filesystem::path& in, const std::string& out,
                                              const ConvertOptions& options = {}) {
    conversion_ = convert_checkpoint(in, folder_ / out, options);
    return Checkpoint::open(folder_ / out);
  }
  static DType type_of(const Checkpoint& file, std::string_view part) {
    for (const WeightData& tensor : file.tensors()) {
      if (tensor.name.find(part) != std::string::npos) return tensor.dtype;
    }
    ADD_FAILURE() << part;
    return DType::boolean;
  }
  static void expect_same(const Checkpoint& a, const Checkpoint& b) {
    ASSERT_EQ(a.names(), b.names());
    for (size_t i = 0; i < a.tensors().size(); ++i) {
      const WeightData& x = a.tensors()[i];
      const WeightData& y = b.tensors()[i];
      EXPECT_EQ(x.shape, y.shape) << x.name;
      EXPECT_EQ(x.dtype, y.dtype) << x.name;
      EXPECT_TRUE(std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end())) << x.name;
    }
  }

  TemporaryFolder folder_;
  Conversion conversion_;
};

TEST_F(Convert, ToGgufAndBackGivesTheSameBytesAndMetadata) {
  const auto in = write(some_tensors(), {{"modelspec.title", "a title"}, {"format", "pt"}});
  const auto original = Checkpoint::open(in);
  const auto gguf = converted(in, "out.gguf");
  EXPECT_EQ(gguf->format(), CheckpointFormat::gguf);
  expect_same(*original, *gguf);
  EXPECT_EQ(gguf->metadata().at("modelspec.title"), "a title");
  const auto back = converted(folder_ / "out.gguf", "back.safetensors");
  expect_same(*original, *back);
  EXPECT_EQ(back->metadata(), original->metadata());
  for (const TensorChange& change : conversion_.tensors) EXPECT_EQ(change.largest_error, 0.0);
}

TEST_F(Convert, OldTorchFilesBecomeSafetensors) {
  const std::vector<WeightData> tensors = some_tensors();
  const Bytes bytes = torch_zip_bytes(tensors);
  const auto in = folder_.write("in.ckpt", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  expect_same(*Checkpoint::open(in), *converted(in, "out.safetensors"));
  EXPECT_EQ(conversion_.in_format, "ckpt (zip)");
  EXPECT_EQ(conversion_.out_format, "safetensors");
}

TEST_F(Convert, QuantizesWhatMayBeAndKeepsTheRest) {
  const auto in = write(some_tensors());
  const auto q8 = converted(in, "q8.gguf", {.type = DType::q8_0});
  EXPECT_EQ(type_of(*q8, "in_layers.2.weight"), DType::q8_0);
  EXPECT_EQ(q8->find("model.diffusion_model.input_blocks.1.0.in_layers.2.weight")->shape, (Shape{16, 32, 3, 3}));
  EXPECT_EQ(type_of(*q8, "proj_in"), DType::q8_0);
  EXPECT_EQ(type_of(*q8, "to_q"), DType::q8_0);
  EXPECT_EQ(type_of(*q8, "decoder.conv_in"), DType::q8_0);
  EXPECT_EQ(type_of(*q8, "odd"), DType::f16);               // rows of 33
  EXPECT_EQ(type_of(*q8, "input_blocks.0.0"), DType::f16);  // sensitive
  EXPECT_EQ(type_of(*q8, "time_embed"), DType::f16);
  EXPECT_EQ(type_of(*q8, "token_embedding"), DType::f16);
  EXPECT_EQ(type_of(*q8, "bias"), DType::f32);
  EXPECT_EQ(type_of(*q8, "alphas_cumprod"), DType::f32);
  const auto q4 = converted(in, "q4.gguf", {.type = DType::q4_0, .keep_convolutions = true});
  EXPECT_EQ(type_of(*q4, "to_q"), DType::q4_0);
  EXPECT_EQ(type_of(*q4, "in_layers.2.weight"), DType::f16);
  EXPECT_EQ(type_of(*q4, "decoder.conv_in"), DType::f16);
}

TEST_F(Convert, ReportsTheErrorOfEachTensorTheWorstFirst) {
  const auto in = write(some_tensors());
  const auto original = Checkpoint::open(in);
  const auto q4 = converted(in, "q4.gguf", {.type = DType::q4_1});
  double before = std::numeric_limits<double>::infinity();
  for (const TensorChange& change : conversion_.tensors) {
    EXPECT_LE(change.relative_error, before);
    before = change.relative_error;
    const std::vector<float> values = Parameter(*original->find(change.name)).values();
    const std::vector<float> rounded = Parameter(*q4->find(change.name)).values();
    double square_error = 0, square = 0, largest = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const double error = static_cast<double>(rounded[i]) - static_cast<double>(values[i]);
      square_error += error * error;
      square += static_cast<double>(values[i]) * static_cast<double>(values[i]);
      largest = std::max(largest, std::abs(error));
    }
    EXPECT_NEAR(change.relative_error, std::sqrt(square_error / square), 1e-12) << change.name;
    EXPECT_EQ(change.largest_error, largest) << change.name;
  }
  EXPECT_EQ(conversion_.tensors.front().to, DType::q4_1);
  EXPECT_EQ(conversion_.out_bytes, std::filesystem::file_size(folder_ / "q4.gguf"));
}

TEST_F(Convert, AllThatIsWrittenReadsBackAsQuantized) {
  const auto in = write(some_tensors());
  const auto original = Checkpoint::open(in);
  for (const std::string_view name : conversion_type_names()) {
    const DType type = *conversion_type(name);
    const auto out = converted(in, std::string(name) + ".gguf", {.type = type});
    for (const WeightData& tensor : out->tensors()) {
      const std::vector<float> values = Parameter(*original->find(tensor.name)).values();
      std::vector<std::byte> expected(tensor.bytes.size());
      convert_from_f32(tensor.dtype, values, expected);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), tensor.bytes.begin())) << name << " " << tensor.name;
    }
  }
}

TEST_F(Convert, QuantizedFilesBecomeF16InSafetensors) {
  const auto in = write(some_tensors());
  converted(in, "q8.gguf", {.type = DType::q8_0});
  const auto back = converted(folder_ / "q8.gguf", "back.safetensors");
  EXPECT_EQ(type_of(*back, "to_q"), DType::f16);
  EXPECT_EQ(type_of(*back, "bias"), DType::f32);
}

TEST_F(Convert, LargeTensorsArePiecedTogether) {
  const std::vector<WeightData> tensors{noise("model.a.weight", {1100, 1024})};  // three pieces
  const auto in = write(tensors);
  const auto out = converted(in, "out.gguf", {.type = DType::q5_0});
  std::vector<std::byte> expected(static_cast<size_t>(bytes_of(DType::q5_0, 1100 * 1024)));
  quantize(DType::q5_0, Parameter(tensors[0]).values(), expected);
  const auto bytes = out->find("model.a.weight")->bytes;
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end()));
}

TEST_F(Convert, MistakesAreNamed) {
  const auto in = write(some_tensors());
  const auto refused = [&](const std::string& out, const ConvertOptions& options, ErrorCode code) {
    const std::string message = message_of([&] { convert_checkpoint(in, folder_ / out, options); }, code);
    EXPECT_EQ(folder_.names().size(), 1u) << message;  // nothing was written
    return message;
  };
  const ErrorCode invalid = ErrorCode::invalid_request;
  EXPECT_THAT(refused("out.bin", {}, invalid), HasSubstr("its ending tells no format; expected .safetensors or .gguf"));
  EXPECT_THAT(refused("q.safetensors", {.type = DType::q8_0}, invalid),
              HasSubstr("a .safetensors file cannot hold Q8_0; name it .gguf"));
  EXPECT_THAT(refused("in.safetensors", {}, invalid), HasSubstr("is there already"));
  EXPECT_THAT(refused("none/out.gguf", {}, ErrorCode::io_failure), HasSubstr("cannot be written: No such file"));
  ConvertOptions cancelled;
  cancelled.cancel.cancel();
  EXPECT_THAT(refused("out.gguf", cancelled, ErrorCode::cancelled), HasSubstr("the conversion was cancelled"));
}

TEST_F(Convert, ValuesThatTheTypeCannotHoldAreRefused) {
  std::vector<float> values(64, 1.0f);
  values[40] = 1e6f;
  const auto in = write({f32_tensor("model.a.weight", {2, 32}, values)});
  const auto refused = [&](DType type) {
    return message_of([&] { convert_checkpoint(in, folder_ / "out.gguf", {.type = type}); });
  };
  EXPECT_THAT(refused(DType::f16), HasSubstr("\"model.a.weight\" holds 1000000, which F16 cannot hold"));
  converted(in, "bf16.gguf", {.type = DType::bf16});
  values[40] = std::numeric_limits<float>::quiet_NaN();
  write({f32_tensor("model.a.weight", {2, 32}, values)});
  EXPECT_THAT(refused(DType::q8_0), HasSubstr("holds nan, which Q8_0 cannot hold"));
  converted(in, "f16.gguf", {.type = DType::f16});  // a NaN stays one
}

TEST_F(Convert, OverwritesOnlyWhenAsked) {
  const auto in = write(some_tensors());
  folder_.write("out.gguf", "before");
  EXPECT_EQ(converted(in, "out.gguf", {.overwrite = true})->tensors().size(), some_tensors().size());
}

TEST_F(Convert, GgufLacksBooleans) {
  const auto flags = std::make_shared<const std::vector<std::byte>>(4);
  const auto in = write({{.name = "mask", .shape = {4}, .dtype = DType::boolean, .bytes = *flags, .owner = flags}});
  EXPECT_THAT(message_of([&] { convert_checkpoint(in, folder_ / "out.gguf", {}); }, ErrorCode::invalid_request),
              HasSubstr("mask holds BOOL, which GGUF files cannot"));
}

TEST(ConversionTypes, NamesAreThoseOfTheCommandLine) {
  EXPECT_EQ(conversion_type("Q8_0"), DType::q8_0);
  EXPECT_EQ(conversion_type("bf16"), DType::bf16);
  EXPECT_EQ(conversion_type("q4_k"), std::nullopt);  // read only
  EXPECT_EQ(conversion_type_names().size(), 8u);
}

}  // namespace
}  // namespace easel::testing
