// Splitting work over the backend's threads (the OpenMP pool, which oneDNN shares).
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace easel::cpu {

// Calls body(begin, end) for consecutive parts of [0, count), one part per thread at most and at least `grain` items
// each.
template <typename Body>
void parallel_for(int threads, int64_t count, int64_t grain, const Body& body) {
  const int64_t parts = std::min<int64_t>(threads, std::max<int64_t>(1, count / std::max<int64_t>(1, grain)));
  if (parts <= 1) {
    if (count > 0) body(int64_t{0}, count);
    return;
  }
#pragma omp parallel for num_threads(static_cast <int>(parts)) schedule(static, 1)
  for (int64_t part = 0; part < parts; ++part) body(count * part / parts, count * (part + 1) / parts);
}

// Calls body(item, thread) for every item of [0, count); threads take the next item as they finish. For items of
// unequal or large cost. `thread` is in [0, threads).
template <typename Body>
void parallel_items(int threads, int64_t count, const Body& body) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (int64_t item = 0; item < count; ++item) body(item, omp_get_thread_num());
}

}  // namespace easel::cpu
