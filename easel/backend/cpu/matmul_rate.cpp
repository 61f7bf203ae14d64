#include "easel/backend/cpu/matmul_rate.h"

#include <algorithm>
#include <chrono>

#include "easel/backend/cpu/onednn.h"

namespace easel::cpu {

double matmul_gflops(int threads) {
  constexpr int64_t kSize = 2048;
  constexpr int kRepeats = 12;
  constexpr int kLeastRepeats = 3;
  constexpr std::chrono::seconds kLongest{2};  // on a busy or slow machine
  const std::function<void()> multiply = large_product(kSize, threads);
  double best = 0.0;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (i >= kLeastRepeats && start - begin > kLongest) break;
    multiply();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2e-9 * static_cast<double>(kSize * kSize * kSize) / seconds.count());
  }
  return best;
}

}  // namespace easel::cpu
