#include "easel/backend/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

#include "easel/ops/arithmetic.h"
#include "easel/ops/ops.h"
#include "tests/plugins/card_backend.h"
#include "tests/plugins/card_memory.h"

namespace easel {
namespace {

using testing::CardBackend;
using testing::CardCounts;
using testing::CardMemory;
using testing::CardRecorder;
using testing::CardTape;
using ::testing::ElementsAre;

constexpr uint64_t kPlenty = 1 << 20;

// A backend that keeps numbers of its own between operations, as others keep weights.
class KeepingBackend : public CardBackend {
 public:
  using CardBackend::CardBackend;

  void activate(const Tensor& x, Activation activation, Tensor& out) override {
    if (!kept) kept = Tensor::empty(x.device(), {16});
    CardBackend::activate(x, activation, out);
  }
  std::optional<Tensor> kept;
};

class Replay : public ::testing::Test {
 protected:
  Replay() { open(kPlenty); }

  void open(uint64_t bytes) {
    backend_ = nullptr;
    device_ = nullptr;
    auto tape = std::make_shared<CardTape>(testing::CardFaults(0));
    counts_ = std::make_shared<CardCounts>();
    auto memory = std::make_unique<CardMemory>(bytes, tape);
    memory_ = memory.get();
    backend_ = std::make_shared<KeepingBackend>(DType::f32, ReducedProducts{}, tape);
    OpenedCard card = make_replaying({.allocator = std::move(memory),
                                      .backend = backend_,
                                      .recorder = std::make_unique<CardRecorder>(tape, counts_)});
    device_ = std::make_shared<const Device>(DeviceKind::cuda, "card", std::move(card.allocator), card.backend);
  }

  Tensor tensor(std::vector<float> values) const {
    return Tensor::from(*device_, {static_cast<int64_t>(values.size())}, std::span<const float>(values));
  }
  Tensor replayed(const Tensor& x, const Backend::Work& work, uint64_t variant = 0) const {
    return device_->backend().replayable(variant, {&x, 1}, work);
  }
  void expect_counts(int recordings, int runs) const {
    EXPECT_EQ(counts_->recordings, recordings);
    EXPECT_EQ(counts_->runs, runs);
  }

  std::shared_ptr<CardCounts> counts_;
  CardMemory* memory_ = nullptr;
  std::shared_ptr<KeepingBackend> backend_;
  std::shared_ptr<const Device> device_;
};

// Several tensors that come and go.
Tensor polynomial(std::span<const Tensor> inputs) {
  const Tensor& x = inputs.front();
  const Tensor square = x * x;
  return (square * x + square * 2.0f) - x;
}

TEST_F(Replay, WorkIsRecordedTheSecondTimeAndReplayedFromThenOn) {
  for (int time = 0; time < 6; ++time) {
    const auto a = static_cast<float>(time);
    EXPECT_THAT(replayed(tensor({a, 1.0f, -2.0f}), polynomial).values(), ElementsAre(a * a * a + 2 * a * a - a, 2, 2));
    expect_counts(time < 1 ? 0 : 1, time);
  }
}

TEST_F(Replay, ResultsStayWhenTheWorkIsDoneAgain) {
  std::vector<Tensor> results;
  for (int time = 0; time < 5; ++time) {
    results.push_back(replayed(tensor({static_cast<float>(time)}), polynomial));
    results.push_back(tensor({100.0f}) * 2.0f);  // nobody else is given the recording's memory
  }
  EXPECT_THAT(results[0].values(), ElementsAre(0));
  EXPECT_THAT(results[2].values(), ElementsAre(2));
  EXPECT_THAT(results[4].values(), ElementsAre(14));
  EXPECT_THAT(results[8].values(), ElementsAre(92));
  for (size_t i = 1; i < results.size(); i += 2) EXPECT_THAT(results[i].values(), ElementsAre(200));
  expect_counts(1, 4);
}

TEST_F(Replay, NumbersOfTheHostAreSentAnew) {
  for (int time = 0; time < 5; ++time) {
    const std::vector<float> timestep = {static_cast<float>(time), 1.0f};
    const auto work = [&](std::span<const Tensor> inputs) {
      const Tensor early = polynomial(inputs);  // its blocks are free when the numbers need some
      return Tensor::from(*device_, {2}, std::span<const float>(timestep)) * early + early;
    };
    const float expected = 14.0f * static_cast<float>(time + 1);
    EXPECT_THAT(replayed(tensor({2.0f, 0.0f}), work).values(), ElementsAre(expected, 0));
  }
  expect_counts(1, 4);
}

TEST_F(Replay, OtherWorkIsRecordedAnew) {
  const auto scaled = [&](float factor) {
    return replayed(tensor({1.0f, 2.0f}), [=](std::span<const Tensor> x) { return x.front() * factor + 1.0f; })
        .values();
  };
  for (int time = 0; time < 3; ++time) EXPECT_THAT(scaled(3.0f), ElementsAre(4, 7));
  expect_counts(1, 2);
  EXPECT_THAT(scaled(5.0f), ElementsAre(6, 11));
  expect_counts(2, 3);
  EXPECT_THAT(scaled(5.0f), ElementsAre(6, 11));
  expect_counts(2, 4);
  // Less work, with the same beginning, and more of it.
  const auto shorter = [](std::span<const Tensor> x) { return x.front() * 5.0f; };
  EXPECT_THAT(replayed(tensor({1.0f, 2.0f}), shorter).values(), ElementsAre(5, 10));
  EXPECT_THAT(scaled(5.0f), ElementsAre(6, 11));
}

TEST_F(Replay, TensorsFromElsewhereAreToldApart) {
  const Tensor a = tensor({1.0f}), b = tensor({10.0f});
  const auto sum = [&](const Tensor& other) {
    return replayed(tensor({2.0f}), [&](std::span<const Tensor> x) { return x.front() + other; }).values();
  };
  for (int time = 0; time < 3; ++time) EXPECT_THAT(sum(a), ElementsAre(3));
  EXPECT_THAT(sum(b), ElementsAre(12));
  EXPECT_THAT(sum(a), ElementsAre(3));
}

TEST_F(Replay, VariantsAndShapesTakeTurns) {
  const auto negate = [](std::span<const Tensor> x) { return -x.front(); };
  for (int time = 0; time < 4; ++time) {
    EXPECT_THAT(replayed(tensor({2.0f}), polynomial, 0).values(), ElementsAre(14));
    EXPECT_THAT(replayed(tensor({2.0f}), negate, 1).values(), ElementsAre(-2));
    EXPECT_THAT(replayed(tensor({2.0f, 0.0f}), polynomial, 0).values(), ElementsAre(14, 0));
  }
  expect_counts(3, 9);
}

TEST_F(Replay, ATensorMayOutliveTheWork) {
  std::optional<Tensor> feature;
  for (int time = 0; time < 6; ++time) {
    const auto x = static_cast<float>(time);
    feature.reset();
    const auto full = [&](std::span<const Tensor> inputs) {
      feature = inputs.front() * 3.0f;
      return *feature + 1.0f;
    };
    EXPECT_THAT(replayed(tensor({x}), full, 0).values(), ElementsAre(3 * x + 1));
    const auto reusing = [&](std::span<const Tensor> inputs) { return *feature + inputs.front(); };
    EXPECT_THAT(replayed(tensor({0.5f}), reusing, 1).values(), ElementsAre(3 * x + 0.5f));
  }
  EXPECT_THAT(feature->values(), ElementsAre(15));
  EXPECT_GE(counts_->runs, 2 * 5 - 1);
}

TEST_F(Replay, WhatTheHostLooksAtIsNotRecorded) {
  for (int time = 0; time < 3; ++time) {
    const auto work = [&](std::span<const Tensor> inputs) {
      const float first = (inputs.front() * 2.0f).values().front();
      return inputs.front() * first;
    };
    EXPECT_THAT(replayed(tensor({static_cast<float>(time), 1.0f}), work).values(),
                ElementsAre(2 * time * time, 2 * time));
  }
  expect_counts(0, 0);
}

TEST_F(Replay, WorkWithinWorkIsPartOfIt) {
  const auto outer = [&](std::span<const Tensor> inputs) { return replayed(inputs.front(), polynomial, 7) * 2.0f; };
  for (int time = 0; time < 3; ++time) EXPECT_THAT(replayed(tensor({2.0f}), outer).values(), ElementsAre(28));
  expect_counts(1, 2);
}

TEST_F(Replay, WhatABackendKeptMustStillBeThere) {
  const auto work = [](std::span<const Tensor> x) { return ops::activate(x.front(), Activation::relu); };
  for (int time = 0; time < 3; ++time) EXPECT_THAT(replayed(tensor({-1.0f, 3.0f}), work).values(), ElementsAre(0, 3));
  expect_counts(1, 2);
  backend_->kept.reset();
  for (int time = 0; time < 3; ++time) EXPECT_THAT(replayed(tensor({-1.0f, 3.0f}), work).values(), ElementsAre(0, 3));
  expect_counts(2, 4);
  backend_->kept.reset();
}

TEST_F(Replay, AnErrorEndsTheWork) {
  const auto work = [&](std::span<const Tensor> inputs) -> Tensor {
    const Tensor x = polynomial(inputs);
    throw Error(ErrorCode::cancelled, "stopped");
  };
  EXPECT_THROW(replayed(tensor({2.0f}), work), Error);
  for (int time = 0; time < 3; ++time) EXPECT_THAT(replayed(tensor({2.0f}), polynomial).values(), ElementsAre(14));
  expect_counts(1, 2);
  EXPECT_THROW(replayed(tensor({2.0f}), work), Error);
  EXPECT_THAT(replayed(tensor({2.0f}), polynomial).values(), ElementsAre(14));
}

// As somebody who skips an image does: it is said once.
TEST_F(Replay, WhatEndsTheWorkIsNotSwallowed) {
  for (int time = 0; time < 4; ++time) {
    bool is_skipped = time > 0;
    const auto work = [&](std::span<const Tensor> inputs) {
      const Tensor x = polynomial(inputs);
      if (std::exchange(is_skipped, false)) throw std::runtime_error("skipped");
      return x;
    };
    if (time == 0) {
      replayed(tensor({2.0f}), work);
    } else {
      EXPECT_THROW(replayed(tensor({2.0f}), work), std::runtime_error);
    }
  }
  for (int time = 0; time < 2; ++time) EXPECT_THAT(replayed(tensor({2.0f}), polynomial).values(), ElementsAre(14));
  expect_counts(1, 2);
}

TEST_F(Replay, MemoryIsGivenBackWhenOthersNeedIt) {
  constexpr int64_t kNumbers = 1000;
  open(9 * kNumbers * 4);
  const auto large = [&] { return Tensor::zeros(*device_, {kNumbers}); };
  const std::vector<float> ones(kNumbers, 1.0f);
  for (int time = 0; time < 3; ++time) EXPECT_EQ(replayed(tensor(ones), polynomial).values().back(), 2.0f);
  expect_counts(1, 2);
  std::vector<Tensor> others;
  for (int i = 0; i < 9; ++i) others.push_back(large());
  EXPECT_THROW(large(), Error);
  others.clear();
  EXPECT_EQ(memory_->bytes_in_use(), 0u);
}

TEST_F(Replay, WithTooLittleForAPlaceOfItsOwnWorkIsDoneAsUsual) {
  constexpr int64_t kNumbers = 1000;
  const std::vector<float> ones(kNumbers, 1.0f);
  open(6 * kNumbers * 4);  // enough for the work and what it reads, not for its inputs and result once more
  for (int time = 0; time < 3; ++time) {
    const Tensor result = replayed(tensor(ones), polynomial);
    EXPECT_EQ(result.values().front(), 2.0f);
    EXPECT_EQ(device_->allocator().bytes_in_use(), kNumbers * 4u);
  }
  expect_counts(0, 0);
}

TEST_F(Replay, ANewBudgetFreesTheMemoryForWork) {
  for (int time = 0; time < 3; ++time) replayed(tensor({2.0f}), polynomial);
  EXPECT_GT(memory_->bytes_in_use(), 0u);
  device_->allocator().set_budget(1000);
  EXPECT_EQ(memory_->bytes_in_use(), 0u);
  for (int time = 0; time < 3; ++time) EXPECT_THAT(replayed(tensor({2.0f}), polynomial).values(), ElementsAre(14));
  expect_counts(2, 4);
}

TEST_F(Replay, WorkThatNeverIsTheSameIsLeftAlone) {
  for (int time = 0; time < 50; ++time) {
    const auto factor = static_cast<float>(time);
    const auto work = [=](std::span<const Tensor> x) { return x.front() * factor; };
    EXPECT_THAT(replayed(tensor({2.0f}), work).values(), ElementsAre(2 * factor));
  }
  EXPECT_LT(counts_->recordings, 49);
}

}  // namespace
}  // namespace easel
