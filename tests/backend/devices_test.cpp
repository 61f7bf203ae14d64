#include "easel/backend/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <fstream>
#include <string>

#include "easel/base/error.h"
#include "easel/tensor/tensor.h"
#include "tests/support/eight_bits.h"
#include "tests/support/temporary_folder.h"

namespace easel {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Plugins : public ::testing::Test {
 protected:
  ~Plugins() override { ::unsetenv("EASEL_PLUGINS"); }

  // tests/plugins/NAME.cpp becomes the library of CUDA devices.
  static void take(const std::string& name) {
    ::setenv("EASEL_PLUGINS", (std::string(EASEL_TEST_PLUGINS) + "/" + name).c_str(), 1);
  }

  static std::string refusal(const DeviceOptions& options) {
    try {
      open_device(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
};

TEST_F(Plugins, NamesOfDevicesAreChecked) {
  for (const char* name : {"gpu", "cuda:", "cuda:-1", "cuda:0x", "CUDA:0", ""}) {
    EXPECT_THAT(refusal({.name = name}), HasSubstr("is unknown, expected auto, cpu or cuda:0"));
  }
}

TEST_F(Plugins, WithoutLibraryAnErrorSaysWhereItWasLookedFor) {
  take("nowhere");
  EXPECT_THAT(refusal({.name = "cuda:0"}), AllOf(HasSubstr("libeasel_cuda.so"), HasSubstr("plugins/nowhere"),
                                                 HasSubstr("EASEL_PLUGINS"), HasSubstr("docs/cuda.md")));
  EXPECT_EQ(open_device({.name = "auto"})->name(), "cpu");
  ::unsetenv("EASEL_PLUGINS");
  EXPECT_THAT(list_devices().devices.front().name, "cpu");
}

TEST_F(Plugins, LibraryOfAnotherVersionIsNotUsed) {
  take("old");
  EXPECT_THAT(refusal({.name = "cuda:0"}), AllOf(HasSubstr("was built for another easel"), HasSubstr("0-of-long-ago")));
  EXPECT_EQ(open_device({.name = "auto"})->name(), "cpu");
}

TEST_F(Plugins, OtherLibrariesAreNotUsed) {
  take("stranger");
  EXPECT_THAT(refusal({.name = "cuda:0"}), HasSubstr("has no function easel_plugin_interface"));
  take("incomplete");
  EXPECT_THAT(refusal({.name = "cuda:0"}),
              AllOf(HasSubstr("cannot be loaded"), HasSubstr("easel_test_function_that_is_nowhere")));
}

TEST_F(Plugins, WithoutCardsTheReasonIsTold) {
  take("empty");
  EXPECT_THAT(refusal({.name = "cuda:0"}), HasSubstr("there is no device cuda:0, no CUDA device was found"));
  EXPECT_THAT(list_devices().no_cards_because, HasSubstr("finds no card"));
  ::setenv("EASEL_TEST_NO_DRIVER", "1", 1);
  EXPECT_THAT(refusal({.name = "cuda:0"}), HasSubstr("the driver is missing"));
  EXPECT_THAT(list_devices().no_cards_because, HasSubstr("the driver is missing"));
  EXPECT_EQ(open_device({.name = "auto"})->name(), "cpu");
  ::unsetenv("EASEL_TEST_NO_DRIVER");
}

TEST_F(Plugins, CardsAreListedAndOpened) {
  take("card");
  const DeviceList list = list_devices();
  ASSERT_EQ(list.devices.size(), 3u);
  EXPECT_EQ(list.no_cards_because, "");
  EXPECT_THAT(list.devices[0].details, HasSubstr("processor"));
  EXPECT_GT(list.devices[0].total_bytes, list.devices[0].free_bytes);
  EXPECT_EQ(list.devices[1].name, "cuda:0");
  EXPECT_EQ(list.devices[1].title, "Test card");
  EXPECT_EQ(list.devices[1].total_bytes, 8'000'000'000u);
  EXPECT_THAT(list.devices[2].unusable_because, HasSubstr("compute capability"));
  for (const char* name : {"cuda", "cuda:0", "auto"}) {
    const auto device = open_device({.name = name});
    EXPECT_EQ(device->name(), "cuda:0");
    EXPECT_EQ(device->kind(), DeviceKind::cuda);
  }
  EXPECT_THAT(refusal({.name = "cuda:1"}), HasSubstr("cuda:1 (Old card) cannot be used: its compute capability"));
  EXPECT_THAT(refusal({.name = "cuda:2"}), HasSubstr("the last one is cuda:1"));
}

TEST_F(Plugins, NumbersOfEightBitsGoWhereTheyCanBeComputed) {
  take("card");
  ReducedProducts all{.numbers = ReducedNumbers::int8, .allows = [](std::string_view) { return true; }};
  EXPECT_EQ(open_device({.name = "cpu", .reduced = all})->name(), "cpu");
  EXPECT_EQ(open_device({.name = "auto", .reduced = all})->name(), "cuda:0");
  all.numbers = ReducedNumbers::fp8;
  EXPECT_EQ(open_device({.name = "auto", .reduced = all})->name(), "cuda:0");
  EXPECT_THAT(refusal({.name = "cpu", .reduced = all}),
              AllOf(HasSubstr("a processor has no products of FP8"), HasSubstr("--precision int8")));
  EXPECT_THAT(refusal({.name = "cpu", .activation_type = DType::f16}), HasSubstr("a processor computes in F32"));
  take("nowhere");
  EXPECT_THAT(refusal({.name = "auto", .reduced = all}), HasSubstr("a processor has no products of FP8"));
}

TEST_F(Plugins, CardsOfOldCapabilitiesSayWhatTheyLack) {
  take("card");
  const ReducedProducts fp8{.numbers = ReducedNumbers::fp8, .allows = [](std::string_view) { return true; }};
  ReducedProducts int8 = fp8;
  int8.numbers = ReducedNumbers::int8;
  const auto with_capability = [&](const char* capability) { ::setenv("EASEL_TEST_CARD_CAPABILITY", capability, 1); };
  with_capability("86");
  EXPECT_THAT(refusal({.name = "cuda:0", .reduced = fp8}),
              AllOf(HasSubstr("cuda:0 (Test card) does not compute in FP8"),
                    HasSubstr("is 8.6, expected 8.9 or higher"), HasSubstr("take --precision int8 or f16")));
  EXPECT_EQ(refusal({.name = "cuda:0", .activation_type = DType::bf16}), "none");
  with_capability("75");
  EXPECT_THAT(refusal({.name = "cuda:0", .activation_type = DType::bf16}),
              AllOf(HasSubstr("does not compute in BF16"), HasSubstr("is 7.5, expected 8.0 or higher"),
                    HasSubstr("take --precision f16 or full")));
  EXPECT_EQ(refusal({.name = "cuda:0", .reduced = int8}), "none");
  with_capability("89");
  EXPECT_EQ(refusal({.name = "cuda:0", .reduced = fp8}), "none");
  ::unsetenv("EASEL_TEST_CARD_CAPABILITY");
}

// What the test card computes is what a card has to.
TEST_F(Plugins, ProductsAreOfNumbersOfEightBitsWhereTheyAreAllowed) {
  take("card");
  std::vector<float> x(3 * 16), w(32 * 16);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i) * 1.3f) * (i < 16 ? 100.0f : 1.0f);
  for (size_t i = 0; i < w.size(); ++i) w[i] = std::cos(static_cast<float>(i) * 0.7f);
  const auto weight = [&](const char* name) {
    return Parameter(
        {.name = name, .shape = {32, 16}, .dtype = DType::f32, .bytes = std::as_bytes(std::span(w)), .owner = nullptr});
  };
  for (const ReducedNumbers numbers : {ReducedNumbers::int8, ReducedNumbers::fp8}) {
    const ReducedProducts reduced{.numbers = numbers, .allows = [](std::string_view name) { return name == "free"; }};
    const auto device = open_device({.name = "cuda:0", .activation_type = DType::f32, .reduced = reduced});
    const auto product = [&](const char* name) {
      const Tensor on_card = Tensor::from(*device, {3, 16}, std::span<const float>(x));
      Tensor out = Tensor::empty(*device, {3, 32});
      device->backend().linear(on_card, weight(name), nullptr, {}, out);
      return out.values();
    };
    const std::vector<float> exact = product("kept"), rounded = product("free");
    EXPECT_NE(exact, rounded);
    const std::vector<float> x_codes = testing::rounded_rows(x, 16, numbers);
    const std::vector<float> w_codes = testing::rounded_rows(w, 16, numbers);
    for (size_t i = 0; i < exact.size(); ++i) {
      double sum = 0.0, size = 0.0, kept = 0.0;
      for (size_t k = 0; k < 16; ++k) {
        const double term =
            static_cast<double>(x_codes[i / 32 * 16 + k]) * static_cast<double>(w_codes[i % 32 * 16 + k]);
        sum += term;
        size += std::abs(term);
        kept += static_cast<double>(x[i / 32 * 16 + k]) * static_cast<double>(w[i % 32 * 16 + k]);
      }
      EXPECT_NEAR(static_cast<double>(rounded[i]), sum, size * 1e-6);
      EXPECT_NEAR(static_cast<double>(exact[i]), kept, size * 1e-6);
    }
  }
}

TEST_F(Plugins, SeveralCardsAreNamedWithCommas) {
  take("card");
  ::setenv("EASEL_TEST_CARDS", "3", 1);
  const auto found = [](const std::string& name) { return find_devices({.name = name}); };
  EXPECT_EQ(found("cuda:2,cuda:0"), (std::vector<std::string>{"cuda:2", "cuda:0"}));
  EXPECT_EQ(found("cuda, cuda:1"), (std::vector<std::string>{"cuda:0", "cuda:1"}));
  EXPECT_EQ(found("auto"), std::vector<std::string>{"cuda:0"});
  EXPECT_EQ(found("cpu"), std::vector<std::string>{"cpu"});
  const auto refusal_of = [&](const std::string& name) -> std::string {
    try {
      found(name);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(refusal_of("cuda:1,cuda:1"), HasSubstr("name cuda:1 twice"));
  EXPECT_THAT(refusal_of("cuda,cuda:0"), HasSubstr("name cuda:0 twice"));
  EXPECT_THAT(refusal_of("cpu,cuda:0"), HasSubstr("'cpu' is one of the devices 'cpu,cuda:0', but only cards"));
  EXPECT_THAT(refusal_of("cuda:0,auto"), HasSubstr("only cards work side by side"));
  EXPECT_THAT(refusal_of("cuda:0,"), HasSubstr("expected something like cuda:0,cuda:1"));
  EXPECT_THAT(refusal_of("cuda:0,cuda:3"), HasSubstr("cuda:3 (Old card) cannot be used"));
  EXPECT_THAT(refusal_of("cuda:9"), HasSubstr("the last one is cuda:3"));
  EXPECT_THAT(refusal_of("gpu"), HasSubstr("is unknown, expected auto, cpu or cuda:0"));
  EXPECT_THAT(refusal({.name = "cuda:0,cuda:1"}), AllOf(HasSubstr("a job computes on one"), HasSubstr("easel serve")));
  EXPECT_EQ(open_device({.name = "cuda:2"})->name(), "cuda:2");
  ::unsetenv("EASEL_TEST_CARDS");
}

TEST_F(Plugins, ALostCardIsFound) {
  take("card");
  const testing::TemporaryFolder faults;
  ::setenv("EASEL_TEST_CARD_FAULTS", faults.path().c_str(), 1);
  EXPECT_NO_THROW(require_computing({.name = "cpu"}));
  EXPECT_NO_THROW(require_computing({.name = "cuda:0"}));
  const auto device = open_device({.name = "cuda:0"});
  const std::vector<float> values = {1.0f, 2.0f};
  const Tensor x = Tensor::from(*device, {2}, std::span<const float>(values));
  std::ofstream(faults / "cuda:0.once");
  EXPECT_THROW(require_computing({.name = "cuda:0"}), Error);
  EXPECT_NO_THROW(require_computing({.name = "cuda:0"}));
  std::ofstream(faults / "cuda:0.lost");
  EXPECT_THROW(x.values(), Error);
  EXPECT_THAT(refusal({.name = "cuda:0"}), HasSubstr("cuda:0 (Test card) cannot be used: it does not answer"));
  EXPECT_THROW(require_computing({.name = "cuda:0"}), Error);
  EXPECT_EQ(open_device({.name = "auto"})->name(), "cpu");
  ::unsetenv("EASEL_TEST_CARD_FAULTS");
}

TEST_F(Plugins, MemoryOfACardIsReachedByCopies) {
  take("card");
  const auto device = open_device({.name = "cuda:0", .memory_limit_bytes = 1000, .activation_type = DType::f16});
  const std::vector<float> values = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
  const Tensor x = Tensor::from(*device, {3, 2}, values);
  EXPECT_EQ(x.values(), values);
  EXPECT_EQ(x.slice(1, 2).values(), (std::vector<float>{3.0f, 4.0f}));
  EXPECT_EQ(x.slice(1, 3).clone().values(), (std::vector<float>{3.0f, 4.0f, 5.0f, 6.0f}));
  EXPECT_EQ(Tensor::zeros(*device, {2}).values(), (std::vector<float>{0.0f, 0.0f}));
  const std::vector<int32_t> ids = {7, -8};
  EXPECT_EQ(Tensor::from(*device, {2}, std::span<const int32_t>(ids)).integers(), ids);
  EXPECT_THROW(Tensor::empty(*device, {251}), Error);
  EXPECT_DEATH(static_cast<void>(x.data()), "cpu");
}

}  // namespace
}  // namespace easel
