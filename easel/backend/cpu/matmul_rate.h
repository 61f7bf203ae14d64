// The machine's limit: the rate of a large f32 matrix product, oneDNN's, or that of linear layers in a build without
// it.
#pragma once

namespace easel::cpu {

double matmul_gflops(int threads);  // the best of a few products of 2048 x 2048 matrices

}  // namespace easel::cpu
