// Images of another size: interpolation and pooling. The results do not depend on the number of threads.
#pragma once

#include "easel/backend/backend.h"

namespace easel::cpu {

// As Backend::resize.
void resize(int threads, const Tensor& x, const ResizeOptions& options, Tensor& out);

// As Backend::max_pool.
void max_pool(int threads, const Tensor& x, const PoolOptions& options, Tensor& out);

}  // namespace easel::cpu
