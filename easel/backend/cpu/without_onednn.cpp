// What takes the place of onednn.cpp in a build with EASEL_ONEDNN=OFF.
#include "easel/backend/cpu/linear.h"
#include "easel/backend/cpu/onednn.h"
#include "easel/tensor/device.h"

namespace easel::cpu {
namespace {

struct LargeProduct {
  int threads;
  std::shared_ptr<const Device> device;  // of the tensors
  Parameter weight;
  Tensor x, out;

  void operator()() { linear(threads, x, weight, nullptr, {}, out); }
};

}  // namespace

Bf16Support bf16_support() {
  return {.unusable_because = "this program was built without oneDNN", .is_fast = false, .beats_winograd = false};
}

std::unique_ptr<Bf16Products> open_bf16_products() { return nullptr; }

std::function<void()> large_product(int64_t size, int threads) {
  const auto device =
      std::make_shared<const Device>(DeviceKind::cpu, "cpu", std::make_unique<HostAllocator>(), nullptr);
  const auto values = std::make_shared<const std::vector<float>>(static_cast<size_t>(size * size), 0.01f);
  const std::span<const float> matrix(*values);
  return LargeProduct{.threads = threads,
                      .device = device,
                      .weight = Parameter({.name = "matrix",
                                           .shape = {size, size},
                                           .dtype = DType::f32,
                                           .bytes = std::as_bytes(matrix),
                                           .owner = values}),
                      .x = Tensor::from(*device, {size, size}, matrix),
                      .out = Tensor::empty(*device, {size, size})};
}

}  // namespace easel::cpu
