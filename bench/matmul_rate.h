// The machine's limit: what oneDNN reaches on a large f32 matrix product.
#pragma once

namespace easel::bench {

double matmul_gflops();  // the best of a few products of 2048 x 2048 matrices on all processors

}  // namespace easel::bench
