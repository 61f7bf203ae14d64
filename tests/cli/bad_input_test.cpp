// What a person may get wrong: a clear error, a status that is not 0, and nothing lost or left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>

#include "easel/base/file.h"
#include "tests/cli/easel_process.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitizer = true;  // reserves terabytes of address space
#else
constexpr bool kAddressSanitizer = false;
#endif

class BadInput : public ::testing::Test {
 protected:
  std::string sd1() const { return golden_path("models/sd1-tiny.ckpt").string(); }
  std::string out() const { return (folder_ / "out").string(); }

  Finished draw(std::vector<std::string> extra, const Surroundings& surroundings = {}) const {
    std::vector<std::string> arguments = {"txt2img"};
    const auto has = [&](const char* option) { return std::find(extra.begin(), extra.end(), option) != extra.end(); };
    const auto add = [&](const char* option, const std::string& value) {
      if (!has(option)) arguments.insert(arguments.end(), {option, value});
    };
    add("--ckpt", sd1());
    if (!has("--from-file")) add("--prompt", "a red bird");
    add("--steps", "2");
    add("--W", "64");
    add("--H", "64");
    if (!has("-o")) add("--outdir", out());
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return run_easel(arguments, surroundings);
  }

  void expect_refused(const std::vector<std::string>& extra, int status, const std::string& text) const {
    const Finished finished = draw(extra);
    EXPECT_EQ(finished.status, status) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(text));
    EXPECT_THAT(finished.out, IsEmpty());
    expect_nothing_drawn();
  }

  void expect_nothing_drawn() const {
    if (!std::filesystem::exists(out())) return;
    for (const auto& entry : std::filesystem::directory_iterator(out())) ADD_FAILURE() << entry.path() << " was left";
  }

  // sd1-tiny with a change.
  std::string changed_checkpoint(const std::function<void(std::vector<WeightData>&)>& change) const {
    const auto original = Checkpoint::open(sd1());
    std::vector<WeightData> tensors(original->tensors().begin(), original->tensors().end());
    change(tensors);
    const std::filesystem::path file = folder_ / "changed.safetensors";
    write_safetensors(file, tensors);
    return file.string();
  }

  TemporaryFolder folder_;
};

TEST_F(BadInput, MissingCheckpoint) { expect_refused({"--ckpt", "/nowhere/model.ckpt"}, 3, "/nowhere/model.ckpt"); }

TEST_F(BadInput, UnknownInstructions) {
  const Finished finished = draw({}, {.environment = {"EASEL_CPU_ISA=neon"}});
  EXPECT_EQ(finished.status, 2) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("EASEL_CPU_ISA is 'neon', expected avx2 or sse4"));
  expect_nothing_drawn();
}

TEST_F(BadInput, EmptyCheckpoint) {
  expect_refused({"--ckpt", folder_.write("empty.safetensors", "")}, 4, "empty.safetensors");
}

TEST_F(BadInput, ZeroFilledCheckpoint) {
  expect_refused({"--ckpt", folder_.write("zeros.ckpt", std::string(1 << 20, '\0'))}, 4, "zeros.ckpt");
}

TEST_F(BadInput, TruncatedCheckpoints) {
  const std::string ckpt = read_text_file(sd1(), uint64_t{1} << 30);
  expect_refused({"--ckpt", folder_.write("cut.ckpt", ckpt.substr(0, ckpt.size() / 2))}, 4, "cut.ckpt");
  const std::string sd2 = read_text_file(golden_path("models/sd2-tiny.safetensors"), uint64_t{1} << 30);
  expect_refused({"--ckpt", folder_.write("cut.safetensors", sd2.substr(0, sd2.size() / 2))}, 4, "cut.safetensors");
}

TEST_F(BadInput, ForeignCheckpoint) {
  const std::filesystem::path lora = folder_ / "lora.safetensors";
  write_safetensors(
      lora, std::vector<WeightData>{f32_tensor("lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", {4, 2}),
                                    f32_tensor("lora_unet_mid_block_attentions_0_proj_in.lora_down.weight", {2, 4})});
  expect_refused({"--ckpt", lora}, 4, "LoRA");
  expect_refused({"--ckpt", folder_.write("notes.txt", "just some text")}, 4, "notes.txt");
}

TEST_F(BadInput, CheckpointThatWouldRunCode) {
  const std::filesystem::path mark = folder_ / "was-run";
  PickleWriter pickle;
  pickle.global("os", "system").text("touch " + mark.string()).raw("\x85R");  // a tuple of one, then the call
  const Bytes file = torch_zip_with_pickle(pickle.finish());
  const std::string text(reinterpret_cast<const char*>(file.data()), file.size());
  expect_refused({"--ckpt", folder_.write("evil.ckpt", text)}, 4, "evil.ckpt");
  EXPECT_FALSE(std::filesystem::exists(mark));
}

TEST_F(BadInput, TensorsMissing) {
  const std::string file = changed_checkpoint([](std::vector<WeightData>& tensors) {
    std::erase_if(tensors,
                  [](const WeightData& t) { return t.name.starts_with("first_stage_model.decoder.mid.attn_1."); });
  });
  expect_refused({"--ckpt", file}, 4, "first_stage_model.decoder.mid.attn_1");
}

TEST_F(BadInput, TensorOfAnotherShape) {
  const std::string file = changed_checkpoint([](std::vector<WeightData>& tensors) {
    for (WeightData& tensor : tensors) {
      if (tensor.name == "model.diffusion_model.time_embed.0.weight") tensor = f32_tensor(tensor.name, {7, 5});
    }
  });
  expect_refused({"--ckpt", file}, 4, "model.diffusion_model.time_embed.0.weight is [7, 5], expected [128, 32]");
}

TEST_F(BadInput, WeightsThatAreNotFinite) {
  const std::string file = changed_checkpoint([](std::vector<WeightData>& tensors) {
    for (WeightData& tensor : tensors) {
      if (tensor.name != "model.diffusion_model.out.2.bias") continue;
      tensor = f32_tensor(tensor.name, tensor.shape, std::vector<float>(4, std::numeric_limits<float>::quiet_NaN()));
    }
  });
  expect_refused({"--ckpt", file}, 4, "not finite at step 1 of 2");
}

TEST_F(BadInput, OtherFamilies) {
  expect_refused({"--ckpt", golden_path("models/sd1-inpaint-tiny.safetensors")}, 2, "inpainting");
  expect_refused({"--ckpt", golden_path("models/x4-upscaler-tiny.safetensors")}, 2, "upscaler");
}

TEST_F(BadInput, Sizes) {
  expect_refused({"--W", "100"}, 2, "width is 100, expected a multiple of 64: 64 or 128");
  expect_refused({"--H", "0"}, 2, "height is 0, expected 64 to 8192");
  expect_refused({"--H", "-64"}, 2, "height is -64");
  expect_refused({"--W", "1000000000"}, 2, "width is 1000000000, expected 64 to 8192");
  expect_refused({"--W", "99999999999999999999"}, 2, "width is");
  expect_refused({"--W", "wide"}, 2, "wide");
}

TEST_F(BadInput, NumbersOutOfRange) {
  expect_refused({"--steps", "0"}, 2, "steps is 0, expected 1 to 1000");
  expect_refused({"--steps", "1001"}, 2, "steps is 1001, expected 1 to 1000");
  expect_refused({"--scale", "nan"}, 2, "cfg scale is nan");
  expect_refused({"--ddim_eta", "2"}, 2, "eta is 2, expected 0 to 1");
  expect_refused({"--n_samples", "0"}, 2, "batch size is 0");
  expect_refused({"--n_iter", "-1"}, 2, "batch count is -1");
  expect_refused({"--seed", "-2"}, 2, "--seed is -2");
  expect_refused({"--C", "3"}, 2, "--C is 3");
  expect_refused({"--f", "16"}, 2, "--f is 16");
  expect_refused({"--threads", "-1"}, 2, "threads");
  expect_refused({"--memory-limit", "much"}, 2, "the size 'much' cannot be read");
}

TEST_F(BadInput, UnknownNames) {
  expect_refused({"--sampler", "eulr"}, 2, "did you mean 'euler'?");
  expect_refused({"--schedule", "karas"}, 2, "did you mean 'karras'?");
  expect_refused({"--lora", "three-ink"}, 3, "there is no LoRA named 'three-ink'; did you mean three-inks?");
  expect_refused({"--prompt", "a bird <lora:threeinx:1>"}, 3, "did you mean three-inks?");
  expect_refused({"--control", "starter-edge=" + golden_path("image/mask_96x64.png").string()}, 3,
                 "there is no ControlNet named 'starter-edge'; did you mean starter-edges?");
  expect_refused({"--rng", "dice"}, 2, "dice");
  expect_refused({"--device", "abacus"}, 2, "abacus");
  expect_refused({"--prediction", "x"}, 2, "prediction 'x' is unknown, expected eps or v");
  expect_refused({"--precision", "half"}, 2, "--precision is 'half', expected full, autocast, f16, bf16, int8 or fp8");
  expect_refused({"--batch-noise", "pink"}, 2, "pink");
  expect_refused({"--promt", "x"}, 2, "unknown option '--promt'; did you mean '--prompt'?");
}

// A word that is no name may be meant as it stands.
TEST_F(BadInput, WordsThatAreNearlyLearnedOnes) {
  const Finished finished = draw({"--prompt", "a starter-orang cat"});
  EXPECT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("the prompt's 'starter-orang' is no learned word; did you mean starter-orange?"));
}

TEST_F(BadInput, UnknownCommand) {
  const Finished finished = run_easel({"tx2img"});
  EXPECT_EQ(finished.status, 2);
  EXPECT_THAT(finished.err, HasSubstr("unknown command 'tx2img'; did you mean 'txt2img'?"));
}

TEST_F(BadInput, OptionsThatContradict) {
  expect_refused({"--plms", "--dpm_solver"}, 2, "more than one sampler");
  expect_refused({"--plms", "--ddim_eta", "1"}, 2, "the sampler plms adds no noise");
  expect_refused({"--skip_save", "--skip_grid"}, 2, "nothing to be written");
  expect_refused({"--repeat", "2"}, 2, "--repeat is for --from-file");
  expect_refused({"-o", (folder_ / "a.png").string(), "--outdir", out()}, 2, "-o and --outdir contradict");
  expect_refused({"-o", (folder_ / "a.png").string(), "--n_samples", "2"}, 2, "-o is for one image");
  expect_refused({"-o", (folder_ / "a.tiff").string()}, 2, "tiff");
  expect_refused({"-o", folder_.path().string()}, 2, "");
}

TEST_F(BadInput, PromptThatIsNotUtf8) {
  expect_refused({"--prompt", "bird \xFF\xFE"}, 2, "the prompt is not valid UTF-8");
  expect_refused({"--negative-prompt", "\xC0\xAF"}, 2, "the negative prompt is not valid UTF-8");
  expect_refused({"--from-file", folder_.write("latin1.txt", "one\nca\xE7\n")}, 2,
                 "prompt number 2 is not valid UTF-8");
}

TEST_F(BadInput, PromptFiles) {
  expect_refused({"--from-file", "/nowhere/prompts.txt"}, 3, "/nowhere/prompts.txt");
  expect_refused({"--from-file", folder_.write("none.txt", "")}, 2, "holds no prompt");
  EXPECT_EQ(run_easel({"txt2img", "--ckpt", sd1()}).status, 2);
}

TEST_F(BadInput, ConfigurationFiles) {
  expect_refused({"--config", "/nowhere/v1.yaml"}, 3, "/nowhere/v1.yaml");
  expect_refused({"--config", folder_.write("bad.yaml", "model:\n  params:\n    parameterization: w\n")}, 6,
                 "eps or v");
}

TEST_F(BadInput, PartsOfDifferentModels) {
  const std::string vae = golden_path("models/x4-upscaler-tiny.safetensors");
  expect_refused({"--vae", vae}, 4, vae + ": this VAE makes 4 pixels of a latent's side, expected 8");
  const auto other = Checkpoint::open(golden_path("models/sd1-inpaint-tiny.safetensors"));
  const std::string mixed = changed_checkpoint([&](std::vector<WeightData>& tensors) {
    for (WeightData& tensor : tensors) {
      if (!tensor.name.starts_with("cond_stage_model.")) continue;
      if (const WeightData* found = other->find(tensor.name)) tensor = *found;
    }
  });
  expect_refused({"--ckpt", mixed}, 4, "gives 64 numbers for a token, but the UNet takes 128");
}

TEST_F(BadInput, VaeThatIsNone) { expect_refused({"--vae", folder_.write("vae.pt", "no")}, 4, "vae.pt"); }

TEST_F(BadInput, UnwritableOutput) {
  const std::string file = folder_.write("file", "");
  expect_refused({"--outdir", file + "/below"}, 8, file);
  expect_refused({"-o", file + "/below/bird.png"}, 8, file);
}

TEST_F(BadInput, FileSizeLimitLeavesNothing) {
  const Finished finished = draw({}, {.limits = "ulimit -f 4"});  // 2 kB
  EXPECT_EQ(finished.status, 8) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("cannot be written"));
  expect_nothing_drawn();
}

TEST_F(BadInput, FullDiskKeepsTheOldFile) {
  const std::filesystem::path disk = folder_ / "disk";
  std::filesystem::create_directory(disk);
  const std::string mount = "mount -t tmpfs -o size=8k none " + disk.string() + " 2>/dev/null";
  if (std::system(mount.c_str()) != 0) GTEST_SKIP() << "only root may mount a small disk";
  const std::string file = disk / "bird.png";
  write_file_whole(file, "old");
  const Finished finished = draw({"-o", file});
  const std::string kept = read_text_file(file, 1 << 20);
  const auto entries = std::distance(std::filesystem::directory_iterator(disk), {});
  EXPECT_EQ(std::system(("umount " + disk.string()).c_str()), 0);
  EXPECT_EQ(finished.status, 8) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("No space left"));
  EXPECT_EQ(kept, "old");
  EXPECT_EQ(entries, 1);
}

TEST_F(BadInput, TooLittleMemory) {
  if (kAddressSanitizer) GTEST_SKIP() << "the sanitizer needs the address space itself";
  const Finished finished = draw({"--W", "2048", "--H", "2048"}, {.limits = "ulimit -v 700000"});
  EXPECT_EQ(finished.status, 7) << finished.err;
  EXPECT_THAT(finished.err, AllOf(HasSubstr("2048x2048"), HasSubstr("needs at least"), HasSubstr("try a smaller")));
  expect_nothing_drawn();
  expect_refused({"--W", "1024", "--H", "1024", "--memory-limit", "200MB"}, 7, "but 200 MB can be had");
}

// A cgroup as the program sees it, of 150 MB, in a file system of its own.
TEST_F(BadInput, ACgroupThatIsTooSmall) {
  if (kAddressSanitizer) GTEST_SKIP() << "the sanitizer's memory counts as memory that the program has already";
  const std::string in_namespace = "unshare --user --map-root-user --mount ";
  if (std::system((in_namespace + "true 2>/dev/null").c_str()) != 0) GTEST_SKIP() << "no namespaces here";
  const std::filesystem::path groups = folder_ / "groups";
  std::filesystem::create_directory(groups);
  folder_.write("groups/memory.max", "150000000\n");
  folder_.write("groups/memory.current", "0\n");
  const std::string in_group =
      fmt::format("exec {} sh -c 'mount --bind {} /sys/fs/cgroup && exec \"$0\" \"$@\"' \"$0\" \"$@\"", in_namespace,
                  groups.string());
  const Finished finished = draw({"--W", "1024", "--H", "1024"}, {.limits = in_group});
  EXPECT_EQ(finished.status, 7) << finished.err;
  EXPECT_THAT(finished.err, AllOf(HasSubstr("1024x1024 in batches of 1 with sd1-tiny needs at least"),
                                  HasSubstr("a --memory-limit of"), HasSubstr("MB if there is as much")));
  EXPECT_THAT(finished.out, IsEmpty());
  expect_nothing_drawn();
  EXPECT_EQ(draw({"--n_samples", "1"}, {.limits = in_group}).status, 0);
}

TEST_F(BadInput, CtrlCLeavesNothing) {
  EaselProcess easel(
      {"txt2img", "--ckpt", sd1(), "--prompt", "x", "--steps", "1000", "--W", "512", "--H", "512", "--outdir", out()});
  ASSERT_TRUE(easel.wait_for_error_text("step 0 of", std::chrono::seconds(120)));
  easel.send(SIGINT);
  const auto sent = std::chrono::steady_clock::now();
  const Finished finished = easel.finish();
  EXPECT_EQ(finished.status, 130) << finished.err;
  EXPECT_LT(std::chrono::steady_clock::now() - sent, std::chrono::seconds(20));
  EXPECT_THAT(finished.err, HasSubstr("cancelled"));
  expect_nothing_drawn();
}

}  // namespace
}  // namespace easel::testing
