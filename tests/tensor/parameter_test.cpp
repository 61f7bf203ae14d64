#include "easel/tensor/parameter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "easel/base/system.h"
#include "tests/support/temporary_folder.h"

namespace easel {
namespace {

struct Packed : PackedWeight {
  explicit Packed(int number) : number(number) {}
  int number;
};

// A weight [3, 2] of 0..5 in memory of its own.
Parameter make_parameter(Residency residency = Residency::packed) {
  auto values = std::make_shared<std::vector<float>>(std::vector<float>{0, 1, 2, 3, 4, 5});
  return Parameter({.name = "layer.weight",
                    .shape = {3, 2},
                    .dtype = DType::f32,
                    .bytes = std::as_bytes(std::span(*values)),
                    .owner = values},
                   residency);
}

int number_of(const std::shared_ptr<const PackedWeight>& weight) { return dynamic_cast<const Packed&>(*weight).number; }

TEST(Parameter, KnowsItsWeight) {
  const Parameter weight = make_parameter();
  EXPECT_EQ(weight.name(), "layer.weight");
  EXPECT_EQ(weight.shape(), (Shape{3, 2}));
  EXPECT_EQ(weight.dtype(), DType::f32);
  EXPECT_EQ(weight.bytes().size(), 24u);
  EXPECT_EQ(weight.values(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST(Parameter, ValuesAreConverted) {
  const std::vector<uint16_t> halves{0x3C00, 0xC000, 0x3800};
  const Parameter weight(
      {.name = "b", .shape = {3}, .dtype = DType::f16, .bytes = std::as_bytes(std::span(halves)), .owner = nullptr});
  EXPECT_EQ(weight.values(), (std::vector<float>{1.0f, -2.0f, 0.5f}));
}

TEST(Parameter, RowsAreAWeightOfTheirOwn) {
  const Parameter weight = make_parameter();
  const Parameter rows = weight.rows(1, 3);
  EXPECT_EQ(rows.shape(), (Shape{2, 2}));
  EXPECT_EQ(rows.values(), (std::vector<float>{2, 3, 4, 5}));
  EXPECT_EQ(rows.bytes().data(), weight.bytes().data() + 8);
  weight.packed(0, [] { return std::make_shared<Packed>(1); });
  EXPECT_EQ(number_of(rows.packed(0, [] { return std::make_shared<Packed>(2); })), 2);  // packed apart
}

TEST(Parameter, APackedFormIsMadeOnceAndShared) {
  const Parameter weight = make_parameter();
  const Parameter copy = weight;
  int made = 0;
  const auto pack = [&] { return std::make_shared<Packed>(++made); };
  const auto first = weight.packed(0, pack);
  EXPECT_EQ(weight.packed(0, pack), first);
  EXPECT_EQ(copy.packed(0, pack), first);
  EXPECT_EQ(number_of(weight.packed(1, pack)), 2);  // another layout is another form
  EXPECT_EQ(weight.packed(0, pack), first);
  EXPECT_EQ(made, 2);
}

TEST(Parameter, AStreamedFormIsMadeAtEachUseAndNotKept) {
  const Parameter weight = make_parameter(Residency::streamed);
  int made = 0;
  const auto pack = [&] { return std::make_shared<Packed>(++made); };
  const std::weak_ptr<const PackedWeight> first = weight.packed(0, pack);
  EXPECT_TRUE(first.expired());
  weight.packed(0, pack);
  EXPECT_EQ(made, 2);
  EXPECT_EQ(number_of(weight.rows(0, 1).packed(0, pack)), 3);  // rows of a streamed weight are streamed
}

TEST(Parameter, AFailedPackingMayBeTriedAgain) {
  const Parameter weight = make_parameter();
  EXPECT_THROW(weight.packed(0, []() -> std::shared_ptr<const PackedWeight> { throw std::runtime_error("no memory"); }),
               std::runtime_error);
  EXPECT_EQ(number_of(weight.packed(0, [] { return std::make_shared<Packed>(5); })), 5);
}

TEST(Parameter, ThreadsShareOnePacking) {
  const Parameter weight = make_parameter();
  std::atomic<int> made = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] { weight.packed(0, [&] { return std::make_shared<Packed>(++made); }); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 1);
}

TEST(Parameter, PackingGivesThePagesOfTheFileBack) {
  const testing::TemporaryFolder folder;
  const size_t size = 64 << 20;
  for (const Residency residency : {Residency::packed, Residency::streamed}) {
    const auto file = MappedFile::open(folder.write("weights", std::string(size, '\1')));
    const Parameter weight({.name = "w",
                            .shape = {static_cast<int64_t>(size)},
                            .dtype = DType::u8,
                            .bytes = file->bytes(),
                            .owner = file,
                            .mapping = file.get()},
                           residency);
    const uint64_t before = resident_bytes();
    weight.packed(0, [&] {
      int sum = 0;
      for (const std::byte byte : weight.bytes()) sum += static_cast<int>(byte);
      EXPECT_GE(resident_bytes(), before + size * 9 / 10);
      return std::make_shared<Packed>(sum);
    });
    EXPECT_LE(resident_bytes(), before + size / 10);
  }
}

TEST(Parameter, AStreamedWeightGivesThePagesBackAfterADirectUse) {
  const testing::TemporaryFolder folder;
  const size_t size = 64 << 20;
  for (const Residency residency : {Residency::packed, Residency::streamed}) {
    const auto file = MappedFile::open(folder.write("weights", std::string(size, '\1')));
    const Parameter weight({.name = "w",
                            .shape = {static_cast<int64_t>(size)},
                            .dtype = DType::u8,
                            .bytes = file->bytes(),
                            .owner = file,
                            .mapping = file.get()},
                           residency);
    const uint64_t before = resident_bytes();
    int sum = 0;
    for (const std::byte byte : weight.bytes()) sum += static_cast<int>(byte);
    EXPECT_EQ(sum, static_cast<int>(size));
    weight.finish_use();
    const uint64_t kept = resident_bytes() - std::min(before, resident_bytes());
    if (residency == Residency::streamed) {
      EXPECT_LE(kept, size / 10);
    } else {
      EXPECT_GE(kept, size * 9 / 10);
    }
  }
}

TEST(ParameterDeathTest, BytesMustFillTheShape) {
  const std::vector<float> values(5);
  EXPECT_DEATH(Parameter({.name = "w",
                          .shape = {3, 2},
                          .dtype = DType::f32,
                          .bytes = std::as_bytes(std::span(values)),
                          .owner = nullptr}),
               "internal error");
}

}  // namespace
}  // namespace easel
