#include "easel/tensor/tensor.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "easel/tensor/layout.h"

namespace easel {
namespace {

// Memory without arithmetic is all that tensors need.
class TensorTest : public ::testing::Test {
 protected:
  const Device device_{DeviceKind::cpu, "test", std::make_unique<HostAllocator>(uint64_t{64} << 20), nullptr};
};

std::vector<float> counting(size_t count) {
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(i);
  return out;
}

TEST(Shape, KnowsItsDimensions) {
  const Shape shape{2, 64, 48, 320};
  EXPECT_EQ(shape.rank(), 4);
  EXPECT_EQ(shape[1], 64);
  EXPECT_EQ(shape.dim(-1), 320);
  EXPECT_EQ(shape.dim(-4), 2);
  EXPECT_EQ(shape.count(), 2 * 64 * 48 * 320);
  EXPECT_EQ(shape.text(), "[2, 64, 48, 320]");
  EXPECT_EQ(fmt::format("x is {}", shape), "x is [2, 64, 48, 320]");
  EXPECT_EQ(shape, (Shape{2, 64, 48, 320}));
  EXPECT_NE(shape, (Shape{2, 64, 48}));
  EXPECT_NE(shape, (Shape{2, 64, 48, 321}));
}

TEST(Shape, WithoutDimensionsIsOneElement) {
  EXPECT_EQ(Shape().rank(), 0);
  EXPECT_EQ(Shape().count(), 1);
  EXPECT_EQ(Shape().text(), "[]");
  EXPECT_EQ((Shape{3, 0, 5}).count(), 0);
}

TEST(ShapeDeathTest, MisuseIsABug) {
  EXPECT_DEATH(Shape({1, -1}), "internal error");
  EXPECT_DEATH(Shape({1, 1, 1, 1, 1, 1, 1}), "internal error");
  EXPECT_DEATH(Shape({2, 3}).dim(2), "internal error");
  EXPECT_DEATH(Shape({2, 3}).dim(-3), "internal error");
  EXPECT_DEATH(Shape({int64_t{1} << 40, int64_t{1} << 40}).count(), "internal error");
}

TEST_F(TensorTest, HoldsWhatItWasMadeFrom) {
  const Tensor x = Tensor::from(device_, {2, 3}, counting(6));
  EXPECT_EQ(x.shape(), (Shape{2, 3}));
  EXPECT_EQ(x.dtype(), DType::f32);
  EXPECT_EQ(x.count(), 6);
  EXPECT_EQ(&x.device(), &device_);
  EXPECT_EQ(x.values(), counting(6));
  const Tensor ids = Tensor::from(device_, {3}, std::vector<int32_t>{49406, 320, 49407});
  EXPECT_EQ(ids.dtype(), DType::i32);
  EXPECT_EQ(ids.data<int32_t>()[2], 49407);
  EXPECT_EQ(Tensor::zeros(device_, {2, 2}).values(), std::vector<float>(4, 0.0f));
}

TEST_F(TensorTest, ZerosClearsUsedMemory) {
  { Tensor::from(device_, {1000}, std::vector<float>(1000, 3.0f)); }
  EXPECT_EQ(Tensor::zeros(device_, {1000}).values(), std::vector<float>(1000, 0.0f));
}

TEST_F(TensorTest, CopiesAreHandlesOnTheSameMemory) {
  const Tensor x = Tensor::from(device_, {2, 3}, counting(6));
  Tensor same = x;
  same.data()[4] = 40.0f;
  EXPECT_EQ(x.values()[4], 40.0f);
  Tensor own = x.clone();
  own.data()[4] = 41.0f;
  EXPECT_EQ(x.values()[4], 40.0f);
  EXPECT_EQ(own.shape(), x.shape());
}

TEST_F(TensorTest, ReshapeKeepsOrderAndMemory) {
  const Tensor image = Tensor::from(device_, {1, 2, 3, 4}, counting(24));
  const Tensor tokens = image.reshape({1, 6, 4});
  EXPECT_EQ(tokens.shape(), (Shape{1, 6, 4}));
  EXPECT_EQ(tokens.data().data(), image.data().data());
}

TEST_F(TensorTest, SlicesAreRowsOfTheSameMemory) {
  const Tensor x = Tensor::from(device_, {3, 2, 2}, counting(12));
  const Tensor middle = x.slice(1, 2);
  EXPECT_EQ(middle.shape(), (Shape{1, 2, 2}));
  EXPECT_EQ(middle.values(), (std::vector<float>{4, 5, 6, 7}));
  EXPECT_EQ(middle.data().data(), x.data().data() + 4);
  EXPECT_EQ(x.slice(1, 3).slice(1, 2).values(), (std::vector<float>{8, 9, 10, 11}));
  EXPECT_EQ(x.slice(3, 3).count(), 0);
  EXPECT_EQ(middle.clone().values(), middle.values());
  EXPECT_EQ(middle.reshape({4}).values(), middle.values());
}

TEST_F(TensorTest, ASliceKeepsItsMemoryAlive) {
  std::unique_ptr<Tensor> slice;
  {
    const Tensor x = Tensor::from(device_, {100'000, 2}, counting(200'000));
    slice = std::make_unique<Tensor>(x.slice(99'999, 100'000));
  }
  EXPECT_EQ(slice->values(), (std::vector<float>{199'998, 199'999}));
  slice.reset();
  EXPECT_EQ(device_.allocator().bytes_in_use(), 0u);
}

TEST_F(TensorTest, EmptyTensorsAreFine) {
  const Tensor x = Tensor::empty(device_, {0, 4});
  EXPECT_EQ(x.count(), 0);
  EXPECT_EQ(x.slice(0, 0).count(), 0);
  EXPECT_TRUE(x.clone().values().empty());
}

TEST_F(TensorTest, RunningOutOfMemoryIsAnError) {
  EXPECT_THROW(Tensor::empty(device_, {1024, 1024, 1024}), Error);
  EXPECT_THROW(Tensor::empty(device_, {int64_t{1} << 62}), Error);  // the bytes do not fit 64 bits
  EXPECT_EQ(device_.allocator().bytes_in_use(), 0u);
}

using TensorDeathTest = TensorTest;

TEST_F(TensorDeathTest, MisuseIsABug) {
  const Tensor x = Tensor::zeros(device_, {2, 3});
  EXPECT_DEATH(x.reshape({7}), "internal error");
  EXPECT_DEATH(x.slice(1, 3), "internal error");
  EXPECT_DEATH(x.slice(2, 1), "internal error");
  EXPECT_DEATH(Tensor::from(device_, {2}, counting(3)), "internal error");
  EXPECT_DEATH(x.data<uint16_t>(), "internal error");
}

TEST_F(TensorTest, LayoutsConvertBothWays) {
  const Tensor x = from_nchw(device_, 2, 3, 2, 2, counting(24));
  EXPECT_EQ(x.shape(), (Shape{2, 2, 2, 3}));
  EXPECT_EQ(x.slice(0, 1).values(), (std::vector<float>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  EXPECT_EQ(to_nchw(x), counting(24));
}

}  // namespace
}  // namespace easel
