#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "easel/base/file.h"
#include "easel/image/codec.h"
#include "easel/image/grey16.h"
#include "tests/cli/easel_process.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using Json = nlohmann::json;

std::string text_of(const Json& number) { return number.dump(); }

// Largest difference of two bytes, and how many differ.
struct Difference {
  int largest = 0;
  int64_t count = 0;
};
Difference difference(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  Difference out;
  for (size_t i = 0; i < a.size(); ++i) {
    const int by = std::abs(a[i] - b[i]);
    out.largest = std::max(out.largest, by);
    out.count += by > 0;
  }
  return out;
}

// Golden: the original scripts' samplers on PyTorch (tests/golden/models/README.md).
class RecordedImages : public ::testing::Test {
 protected:
  // The recorded run `name` of `model`, drawn with `checkpoint`; `extra` are further arguments.
  void expect_drawn(const std::string& model, const std::string& checkpoint, const std::string& name,
                    const std::vector<std::string>& extra) {
    SCOPED_TRACE(checkpoint + " " + name);
    const Json reference = Json::parse(read_text_file(golden_path("models/" + model + ".reference.json"), 1 << 22));
    const Json run = reference["runs"][name];
    const std::string lines = run["prompts"].size() == 1 ? "" : folder_.write("prompts.txt", lines_of(run["prompts"]));
    std::vector<std::string> arguments = {run["kind"].get<std::string>(), "--ckpt", checkpoint, "--json"};
    const auto add = [&](const std::string& option, const std::string& value) {
      arguments.insert(arguments.end(), {option, value});
    };
    lines.empty() ? add("--prompt", run["prompts"][0].get<std::string>()) : add("--from-file", lines);
    add("--negative-prompt", run["negative_prompt"].get<std::string>());
    add("--ddim_steps", text_of(run["steps"]));
    add("--scale", text_of(run["cfg_scale"]));
    add("--seed", text_of(run["seed"]));
    for (const auto& [key, option] : {std::pair{"width", "--W"}, {"height", "--H"}, {"strength", "--strength"}}) {
      if (run.contains(key)) add(option, text_of(run[key]));
    }
    if (run.contains("eta")) add("--ddim_eta", text_of(run["eta"]));
    add("--outdir", (folder_ / ("out" + std::to_string(runs_++))).string());
    arguments.insert(arguments.end(), extra.begin(), extra.end());

    const Finished finished = run_easel(arguments);
    ASSERT_EQ(finished.status, 0) << finished.err;
    const Json summary = Json::parse(finished.out);
    const std::vector<uint8_t> expected =
        Golden("models/" + model + ".reference", cpu_device()).image_bytes(name + ".image_u8");
    std::vector<uint8_t> drawn;
    for (const Json& entry : summary["images"]) {
      const Image image = load_image(entry["file"].get<std::string>()).image;
      drawn.insert(drawn.end(), image.bytes().begin(), image.bytes().end());
    }
    ASSERT_EQ(drawn.size(), expected.size());
    const Difference by = difference(drawn, expected);
    EXPECT_LE(by.largest, 2) << by.count << " of " << drawn.size() << " bytes differ";
  }

  // An image of `model`'s reference as a file: u8 [height, width, 3], or [height, width] for a mask.
  std::string image_file(const std::string& model, const std::string& tensor) {
    const Golden golden("models/" + model + ".reference", cpu_device());
    const std::vector<uint8_t> bytes = golden.image_bytes(tensor);
    const Shape shape = golden.shape(tensor);
    Image image(shape.dim(1), shape.dim(0));
    for (size_t i = 0; i < image.bytes().size(); ++i) image.bytes()[i] = bytes[shape.rank() == 3 ? i : i / 3];
    const auto path = folder_ / (tensor + ".png");
    save_image(path, image);
    return path.string();
  }

  // The recorded output of a depth network, stretched to 16 bits.
  std::string depth_map() {
    const std::vector<float> raw = Golden("models/sd2-depth-tiny.reference", cpu_device()).values("depth.raw");
    const auto [low, high] = std::minmax_element(raw.begin(), raw.end());
    Grey16 map{.size = {96, 96}, .values = {}};
    for (const float value : raw) {
      map.values.push_back(static_cast<uint16_t>(std::lround(65535.0 * (value - *low) / (*high - *low))));
    }
    const auto path = folder_ / "depth.png";
    write_file_whole(path, encode_grey16(map));
    return path.string();
  }

  static std::string lines_of(const Json& prompts) {
    std::string text;
    for (const Json& prompt : prompts) text += prompt.get<std::string>() + "\n";
    return text;
  }

  std::string sd1_ckpt() const { return golden_path("models/sd1-tiny.ckpt").string(); }
  std::string sd1_safetensors() const { return convert_sd1_tiny(folder_.path()).string(); }
  std::string sd2() const { return golden_path("models/sd2-tiny.safetensors").string(); }

  TemporaryFolder folder_;
  int runs_ = 0;
};

TEST_F(RecordedImages, Sd1FromCkpt) {
  expect_drawn("sd1-tiny", sd1_ckpt(), "txt2img.ddim", {});
  expect_drawn("sd1-tiny", sd1_ckpt(), "txt2img.ddim_eta1", {});
  expect_drawn("sd1-tiny", sd1_ckpt(), "txt2img.ddim_cfg1", {});
  expect_drawn("sd1-tiny", sd1_ckpt(), "txt2img.plms", {"--plms"});
  expect_drawn("sd1-tiny", sd1_ckpt(), "txt2img.dpm", {"--dpm_solver"});
}

TEST_F(RecordedImages, Sd1FromSafetensors) {
  expect_drawn("sd1-tiny", sd1_safetensors(), "txt2img.ddim", {});
  expect_drawn("sd1-tiny", sd1_safetensors(), "txt2img.ddim_eta1", {});
  expect_drawn("sd1-tiny", sd1_safetensors(), "txt2img.plms", {"--sampler", "plms"});
  expect_drawn("sd1-tiny", sd1_safetensors(), "txt2img.dpm", {"--dpm"});
}

TEST_F(RecordedImages, BatchFromOneGenerator) {
  expect_drawn("sd1-tiny", sd1_ckpt(), "txt2img.ddim_batch2", {"--n_samples", "2", "--batch-noise", "compvis"});
}

TEST_F(RecordedImages, Sd2PredictsV) {
  expect_drawn("sd2-tiny", sd2(), "txt2img.ddim", {"--prediction", "v"});
  expect_drawn("sd2-tiny", sd2(), "txt2img.ddim_eta1", {"--prediction", "v"});
  expect_drawn("sd2-tiny", sd2(), "txt2img.dpm", {"--prediction", "v", "--dpm"});
}

TEST_F(RecordedImages, Sd2PredictionByConfiguration) {
  const auto config = folder_.write("v2-inference-v.yaml",
                                    "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n"
                                    "    parameterization: \"v\"\n    linear_start: 0.00085\n    linear_end: 0.0120\n");
  expect_drawn("sd2-tiny", sd2(), "txt2img.ddim", {"--config", config.string()});
}

TEST_F(RecordedImages, ImageToImage) {
  const std::vector<std::string> sd1 = {"--init-img", image_file("sd1-tiny", "img2img.ddim.init_u8")};
  expect_drawn("sd1-tiny", sd1_ckpt(), "img2img.ddim", sd1);
  expect_drawn("sd1-tiny", sd1_ckpt(), "img2img.ddim_eta1", sd1);
  expect_drawn("sd2-tiny", sd2(), "img2img.ddim",
               {"--prediction", "v", "--init-img", image_file("sd2-tiny", "img2img.ddim.init_u8")});
}

TEST_F(RecordedImages, Inpainting) {
  const std::string model = "sd1-inpaint-tiny";
  const std::string checkpoint = golden_path("models/sd1-inpaint-tiny.safetensors").string();
  // The original script gives the decoded image as it is; its start noise comes from NumPy, and the image was encoded
  // with a seed of its own.
  const std::vector<std::string> extra = {"--init-img",    image_file(model, "inpaint.image_u8"),
                                          "--mask",        image_file(model, "inpaint.mask_u8"),
                                          "--image-seed",  "242",
                                          "--rng",         "numpy",
                                          "--mask-blur",   "0",
                                          "--no-composite"};
  expect_drawn(model, checkpoint, "inpaint.ddim", extra);
  expect_drawn(model, checkpoint, "inpaint.ddim_eta1", extra);
}

TEST_F(RecordedImages, DepthToImage) {
  const std::string model = "sd2-depth-tiny";
  const std::string checkpoint = assemble_sd2_depth_tiny(folder_.path()).string();
  const std::vector<std::string> extra = {"--init-img", image_file(model, "depth.image_u8"), "--depth-map",
                                          depth_map()};
  expect_drawn(model, checkpoint, "depth2img.ddim", extra);
  expect_drawn(model, checkpoint, "depth2img.full", extra);
  expect_drawn(model, checkpoint, "depth2img.ddim_eta1", extra);
}

TEST_F(RecordedImages, StreamedWeightsDrawTheSame) {
  expect_drawn("sd1-tiny", sd1_ckpt(), "txt2img.ddim", {"--low-memory"});
}

}  // namespace
}  // namespace easel::testing
