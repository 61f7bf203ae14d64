// Rows of channels shared out so that a thread keeps its channels: what belongs to a channel is read once.
#pragma once

#include "easel/backend/cuda/kernels/elements.cuh"

namespace easel::cuda {

// A block's threads over rows of `columns` vectors of kWidth channels. As many rows are taken at once as fit; where a
// row has more columns than the block has threads, a thread takes several columns of it, block_threads() apart.
struct Columns {
  int columns;  // of a row
  int rows;     // taken at once
  int first;    // this thread's first column
  int row;      // this thread's row of those taken at once; `rows` or more: the thread has nothing to do

  __device__ explicit Columns(int columns_of_row)
      : columns(columns_of_row),
        rows(rows_at_once(columns_of_row, block_threads())),
        first(thread_index() % columns),
        row(thread_index() / columns) {}

  __host__ __device__ static int rows_at_once(int columns, int threads) {
    return columns < threads ? threads / columns : 1;
  }
  __device__ bool is_idle() const { return row >= rows; }
};

// Blocks of kThreads for rows of `columns` vectors.
inline Grid grid_of_rows(int64_t rows, int64_t columns) {
  return {.x = blocks_for(rows, Columns::rows_at_once(static_cast<int>(columns), kThreads))};
}

}  // namespace easel::cuda
