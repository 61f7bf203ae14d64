// The machine's limit: what oneDNN reaches on a large f32 matrix product.
#pragma once

namespace easel::cpu {

double matmul_gflops(int threads);  // the best of a few products of 2048 x 2048 matrices

}  // namespace easel::cpu
