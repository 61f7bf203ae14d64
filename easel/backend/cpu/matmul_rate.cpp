#include "easel/backend/cpu/matmul_rate.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <dnnl.hpp>

namespace easel::cpu {

double matmul_gflops(int threads) {
  constexpr int64_t kSize = 2048;
  constexpr int kRepeats = 12;
  constexpr int kLeastRepeats = 3;
  constexpr std::chrono::seconds kLongest{2};  // on a busy or slow machine
  using Memory = dnnl::memory;
  omp_set_num_threads(threads);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const auto plain = Memory::desc({kSize, kSize}, Memory::data_type::f32, Memory::format_tag::ab);
  const auto packed = Memory::desc({kSize, kSize}, Memory::data_type::f32, Memory::format_tag::any);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc desc(engine, plain, packed, plain);
#else
  const dnnl::matmul::primitive_desc desc({plain, packed, plain}, engine);
#endif
  const dnnl::matmul matmul(desc);
  const auto filled = [&](const Memory::desc& layout) {
    Memory memory(layout, engine);
    auto* const values = static_cast<float*>(memory.get_data_handle());
    std::fill(values, values + layout.get_size() / sizeof(float), 0.01f);
    return memory;
  };
  const Memory a = filled(desc.src_desc());
  const Memory b = filled(desc.weights_desc());
  const Memory c = filled(desc.dst_desc());
  double best = 0.0;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kRepeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (i >= kLeastRepeats && start - begin > kLongest) break;
    matmul.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    stream.wait();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2e-9 * static_cast<double>(kSize * kSize * kSize) / seconds.count());
  }
  return best;
}

}  // namespace easel::cpu
