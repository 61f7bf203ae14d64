// The images of a batch go through the network together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/pipeline/assets.h"
#include "easel/pipeline/latent.h"
#include "easel/pipeline/settings.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::Each;
using ::testing::SizeIs;

// How many latents the network saw in each of its calls.
std::vector<int64_t> rows_of_calls(int64_t batch_size, int64_t rows_at_once) {
  const Device& device = cpu_device();
  Request request{.prompt = "x", .width_px = 64, .height_px = 64, .steps = 3, .seed = 1};
  request.batch_size = batch_size;
  request.sampler = "euler";
  request = with_defaults(request, {});
  const Model model({.checkpoint = golden_path("models/sd1-tiny.ckpt")});
  PromptEncoder prompts(Tokenizer::open(require_asset(kBpeMerges)));
  prompts.prepare(model, device, {"x", ""}, {}, [](const std::string&) {});
  const auto batch = plan_batches(request, *request.seed).front();
  BatchNoise noise(RngKind::cpu, *request.seed);
  const Tensor start = noise.draw(device, latent_shape(model, request, batch_size));
  LatentTask task{model, prompts, request, batch, {.noise = start}};
  task.rows_at_once = rows_at_once;
  std::vector<int64_t> rows;
  draw_latent(task, noise, {}, [&](std::string_view block, const Tensor& output) {
    if (block == "out") rows.push_back(output.dim(0));
  });
  return rows;
}

TEST(Batch, GoesThroughTheNetworkInOneCallWithBothHalvesOfGuidance) {
  const std::vector<int64_t> rows = rows_of_calls(5, 0);
  EXPECT_THAT(rows, SizeIs(3));
  EXPECT_THAT(rows, Each(10));
}

TEST(Batch, IsDividedWhereThePlanSaysSo) {
  const std::vector<int64_t> rows = rows_of_calls(4, 2);
  EXPECT_THAT(rows, SizeIs(12));
  EXPECT_THAT(rows, Each(2));
}

}  // namespace
}  // namespace easel::testing
