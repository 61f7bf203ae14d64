// Every operation at the shapes of SD 1.x, 512x512, guidance (batch 2), with its arithmetic rate. The context names
// what a large product reaches (oneDNN's, if built with it) in the same run: the machine's limit for direct arithmetic.
#include <benchmark/benchmark.h>

#include <memory>
#include <random>

#include "easel/backend/devices.h"
#include "easel/ops/ops.h"

namespace easel {
namespace {

const Device& device() {
  static const std::shared_ptr<const Device> opened = open_device();
  return *opened;
}

std::shared_ptr<std::vector<float>> random_values(int64_t count) {
  auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(count));
  std::mt19937 generator(1);
  for (float& value : *values) value = static_cast<float>(generator() >> 8) * 0x1p-23f - 1.0f;
  return values;
}

Tensor tensor(Shape shape) {
  return Tensor::from(device(), shape, std::span<const float>(*random_values(shape.count())));
}

Parameter parameter(Shape shape) {
  auto values = random_values(shape.count());
  return Parameter({.name = "bench",
                    .shape = shape,
                    .dtype = DType::f32,
                    .bytes = std::as_bytes(std::span(*values)),
                    .owner = values});
}

void report_rate(benchmark::State& state, double flops) {
  state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void report_bytes(benchmark::State& state, int64_t floats) {
  state.counters["GB/s"] =
      benchmark::Counter(static_cast<double>(floats) * 4e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void linear(benchmark::State& state) {
  const int64_t rows = state.range(0), d_in = state.range(1), d_out = state.range(2);
  const Tensor x = tensor({rows, d_in});
  const Parameter weight = parameter({d_out, d_in});
  const Parameter bias = parameter({d_out});
  for (auto _ : state) benchmark::DoNotOptimize(ops::linear(x, weight, bias));
  report_rate(state, 2.0 * static_cast<double>(rows * d_in * d_out));
}
BENCHMARK(linear)
    ->ArgNames({"rows", "in", "out"})
    ->Args({8192, 320, 320})
    ->Args({8192, 320, 2560})
    ->Args({8192, 1280, 320})
    ->Args({2048, 640, 640})
    ->Args({2048, 2560, 640})
    ->Args({512, 1280, 1280})
    ->Args({128, 1280, 1280})
    ->Args({154, 768, 1280})
    ->Args({77, 768, 3072})
    ->UseRealTime();

void linear_geglu(benchmark::State& state) {
  const int64_t rows = state.range(0), d = state.range(1);
  const Tensor x = tensor({rows, d});
  const Parameter weight = parameter({8 * d, d});
  const Parameter bias = parameter({8 * d});
  for (auto _ : state) benchmark::DoNotOptimize(ops::linear_geglu(x, weight, bias));
  report_rate(state, 2.0 * static_cast<double>(rows * d * 8 * d));
}
BENCHMARK(linear_geglu)
    ->ArgNames({"rows", "d"})
    ->Args({8192, 320})
    ->Args({2048, 640})
    ->Args({512, 1280})
    ->Args({128, 1280})
    ->UseRealTime();

void conv2d(benchmark::State& state) {
  const int64_t n = state.range(0), side = state.range(1), c_in = state.range(2), c_out = state.range(3);
  const int64_t kernel = state.range(4), stride = state.range(5);
  const Tensor x = tensor({n, side, side, c_in});
  const Parameter weight = parameter({c_out, c_in, kernel, kernel});
  const Parameter bias = parameter({c_out});
  Conv2dOptions options;
  options.stride = stride;
  if (kernel == 3) options.padding = {1, 1, 1, 1};
  for (auto _ : state) benchmark::DoNotOptimize(ops::conv2d(x, weight, bias, options));
  report_rate(state, 2.0 * static_cast<double>(n * side * side * c_in * c_out * kernel * kernel) /
                         static_cast<double>(stride * stride));
}
BENCHMARK(conv2d)
    ->ArgNames({"n", "side", "in", "out", "kernel", "stride"})
    ->Args({2, 64, 4, 320, 3, 1})
    ->Args({2, 64, 320, 320, 3, 1})
    ->Args({2, 64, 640, 320, 3, 1})
    ->Args({2, 64, 960, 320, 3, 1})
    ->Args({2, 64, 320, 320, 3, 2})
    ->Args({2, 32, 640, 640, 3, 2})
    ->Args({2, 16, 1280, 1280, 3, 2})
    ->Args({1, 512, 128, 128, 3, 2})
    ->Args({1, 512, 3, 128, 3, 1})
    ->Args({1, 256, 64, 3, 3, 1})
    ->Args({1, 384, 3, 768, 16, 16})
    ->Args({2, 64, 320, 4, 3, 1})
    ->Args({2, 32, 640, 640, 3, 1})
    ->Args({2, 32, 1280, 640, 3, 1})
    ->Args({2, 16, 1280, 1280, 3, 1})
    ->Args({2, 16, 2560, 1280, 3, 1})
    ->Args({2, 8, 1280, 1280, 3, 1})
    ->Args({2, 64, 960, 320, 1, 1})
    ->Args({1, 64, 512, 512, 3, 1})
    ->Args({1, 128, 512, 512, 3, 1})
    ->Args({1, 256, 256, 256, 3, 1})
    ->Args({1, 256, 512, 256, 3, 1})
    ->Args({1, 512, 128, 128, 3, 1})
    ->Args({1, 512, 256, 128, 3, 1})
    ->Args({1, 512, 128, 3, 3, 1})
    ->UseRealTime();

void attention(benchmark::State& state) {
  const int64_t n = state.range(0), queries = state.range(1), keys = state.range(2), heads = state.range(3);
  const int64_t width = heads * state.range(4);
  const Tensor q = tensor({n, queries, width});
  const Tensor k = tensor({n, keys, width});
  for (auto _ : state) benchmark::DoNotOptimize(ops::attention(q, k, k, {.heads = heads}));
  report_rate(state, 4.0 * static_cast<double>(n * queries * keys * width));
}
BENCHMARK(attention)
    ->ArgNames({"n", "queries", "keys", "heads", "head_dim"})
    ->Args({2, 4096, 4096, 8, 40})
    ->Args({2, 1024, 1024, 8, 80})
    ->Args({2, 256, 256, 8, 160})
    ->Args({2, 4096, 77, 8, 40})
    ->Args({2, 1024, 77, 8, 80})
    ->Args({2, 9216, 9216, 5, 64})
    ->Args({1, 4096, 4096, 1, 512})
    ->UseRealTime();

void group_norm_silu(benchmark::State& state) {
  const int64_t n = state.range(0), side = state.range(1), c = state.range(2);
  const Tensor x = tensor({n, side, side, c});
  const Parameter weight = parameter({c});
  for (auto _ : state) {
    benchmark::DoNotOptimize(ops::group_norm(x, weight, weight, 32, 1e-5f, Activation::silu));
  }
  report_bytes(state, 3 * x.count());
}
BENCHMARK(group_norm_silu)
    ->ArgNames({"n", "side", "c"})
    ->Args({2, 64, 320})
    ->Args({2, 64, 960})
    ->Args({2, 32, 640})
    ->Args({2, 16, 1280})
    ->Args({2, 8, 2560})
    ->Args({1, 512, 128})
    ->UseRealTime();

void layer_norm(benchmark::State& state) {
  const Tensor x = tensor({state.range(0), state.range(1)});
  const Parameter weight = parameter({state.range(1)});
  for (auto _ : state) benchmark::DoNotOptimize(ops::layer_norm(x, weight, weight));
  report_bytes(state, 2 * x.count());
}
BENCHMARK(layer_norm)->ArgNames({"rows", "d"})->Args({8192, 320})->Args({2048, 640})->Args({512, 1280})->UseRealTime();

void concat_channels(benchmark::State& state) {
  const Tensor x = tensor({2, 64, 64, 320});
  for (auto _ : state) benchmark::DoNotOptimize(ops::concat_channels(x, x));
  report_bytes(state, 4 * x.count());
}
BENCHMARK(concat_channels)->UseRealTime();

void upsample_nearest_2x(benchmark::State& state) {
  const Tensor x = tensor({2, 32, 32, 640});
  for (auto _ : state) benchmark::DoNotOptimize(ops::upsample_nearest_2x(x));
  report_bytes(state, 5 * x.count());
}
BENCHMARK(upsample_nearest_2x)->UseRealTime();

void resize(benchmark::State& state) {
  const int64_t side = state.range(0), c = state.range(1), to = state.range(2);
  const Tensor x = tensor({1, side, side, c});
  const ResizeOptions options{.interpolation = state.range(3) != 0 ? Interpolation::bicubic : Interpolation::bilinear};
  for (auto _ : state) benchmark::DoNotOptimize(ops::resize(x, to, to, options));
  report_bytes(state, x.count() + to * to * c);
}
BENCHMARK(resize)
    ->ArgNames({"side", "c", "to", "cubic"})
    ->Args({96, 256, 192, 0})
    ->Args({192, 128, 384, 0})
    ->Args({512, 3, 384, 1})
    ->UseRealTime();

void max_pool(benchmark::State& state) {
  const Tensor x = tensor({1, 192, 192, 64});
  const PoolOptions options{.kernel = 3, .stride = 2, .padding = {.bottom = 1, .right = 1}};
  for (auto _ : state) benchmark::DoNotOptimize(ops::max_pool(x, options));
  report_bytes(state, x.count() + x.count() / 4);
}
BENCHMARK(max_pool)->UseRealTime();

}  // namespace
}  // namespace easel

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("matmul_gflops", std::to_string(easel::matmul_gflops()));
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
