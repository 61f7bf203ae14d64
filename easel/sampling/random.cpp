#include "easel/sampling/random.h"

#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "easel/base/error.h"

namespace easel {
namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

using Words = std::array<uint32_t, 4>;

// Philox 4x32-10: Salmon et al. 2011, table 2.
Words philox(Words c, uint64_t key) {
  uint32_t key_low = static_cast<uint32_t>(key);
  uint32_t key_high = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ key_low, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ key_high, static_cast<uint32_t>(a)};
    key_low += 0x9E3779B9;
    key_high += 0xBB67AE85;
  }
  return c;
}

}  // namespace

RngKind parse_rng_kind(std::string_view name) {
  if (name == "cpu") return RngKind::cpu;
  if (name == "gpu") return RngKind::gpu;
  if (name == "numpy") return RngKind::numpy;
  throw Error(ErrorCode::invalid_request, "unknown random number generator '{}'; choose cpu, gpu or numpy", name);
}

std::unique_ptr<Generator> make_generator(RngKind kind, uint64_t seed) {
  switch (kind) {
    case RngKind::gpu: return std::make_unique<TorchGpuGenerator>(seed);
    case RngKind::numpy: return std::make_unique<NumpyGenerator>(seed);
    case RngKind::cpu: break;
  }
  return std::make_unique<TorchCpuGenerator>(seed);
}

std::vector<float> TorchCpuGenerator::randn(int64_t count) {
  if (count < 16) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = static_cast<float>(next_normal());
    return values;
  }
  std::vector<float> values = rand(count);
  float* const end = values.data() + count;
  for (float* block = values.data(); end - block >= 16; block += 16) fill_normal_16(block);
  if (count % 16 != 0) {  // the last 16 are drawn anew, those that were already done too
    const std::vector<float> fresh = rand(16);
    std::copy(fresh.begin(), fresh.end(), end - 16);
    fill_normal_16(end - 16);
  }
  return values;
}

std::vector<float> TorchCpuGenerator::rand(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(engine_() & 0xFFFFFF) * 0x1p-24f;
  return values;
}

std::vector<int64_t> TorchCpuGenerator::randint(int64_t low, int64_t high, int64_t count) {
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  std::vector<int64_t> values(static_cast<size_t>(count));
  for (int64_t& value : values) {
    const uint64_t bits = range >> 32 != 0 ? next_64() : engine_();
    value = low + static_cast<int64_t>(bits % range);
  }
  return values;
}

uint64_t TorchCpuGenerator::next_64() {
  const uint64_t high = engine_();
  return high << 32 | engine_();
}

double TorchCpuGenerator::next_normal() {
  if (cached_normal_) return *std::exchange(cached_normal_, std::nullopt);
  constexpr uint64_t kMask53 = (uint64_t{1} << 53) - 1;
  const double u1 = static_cast<double>(next_64() & kMask53) * 0x1p-53;
  const double u2 = static_cast<double>(next_64() & kMask53) * 0x1p-53;
  const double radius = std::sqrt(-2.0 * std::log1p(-u2));
  cached_normal_ = radius * std::sin(kTwoPi * u1);
  return radius * std::cos(kTwoPi * u1);
}

// 16 uniform numbers become 16 normal ones: number j pairs with number j + 8.
void TorchCpuGenerator::fill_normal_16(float* values) {
  for (int j = 0; j < 8; ++j) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - static_cast<double>(values[j])));
    const double theta = kTwoPi * static_cast<double>(values[j + 8]);
    values[j] = static_cast<float>(radius * std::cos(theta));
    values[j + 8] = static_cast<float>(radius * std::sin(theta));
  }
}

std::vector<float> TorchGpuGenerator::randn(int64_t count) {
  constexpr double kAngle = static_cast<double>(2.3283064e-10f * 6.2831855f);  // 2 pi 2^-32, as the GPU has it
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    const Words words = philox({call_, 0, static_cast<uint32_t>(i), 0}, seed_);
    const double u = words[0] * 0x1p-32 + 0x1p-33;
    const double v = words[1] * kAngle + kAngle / 2.0;
    values[i] = static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::sin(v));
  }
  ++call_;
  return values;
}

std::vector<float> NumpyGenerator::randn(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(normal());
  return values;
}

double NumpyGenerator::rand() {
  const uint32_t high = static_cast<uint32_t>(engine_()) >> 5;
  const uint32_t low = static_cast<uint32_t>(engine_()) >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

double NumpyGenerator::normal() {
  if (cached_normal_) return *std::exchange(cached_normal_, std::nullopt);
  double x1 = 0.0, x2 = 0.0, r2 = 0.0;
  do {
    x1 = 2.0 * rand() - 1.0;
    x2 = 2.0 * rand() - 1.0;
    r2 = x1 * x1 + x2 * x2;
  } while (r2 >= 1.0 || r2 == 0.0);
  const double factor = std::sqrt(-2.0 * std::log(r2) / r2);
  cached_normal_ = factor * x1;
  return factor * x2;
}

}  // namespace easel
