#include "easel/backend/cuda/kernels/elements.cuh"
#include "easel/backend/cuda/kernels/reduction.cuh"
#include "easel/backend/cuda/kernels/weight_kernels.h"
#include "easel/backend/cuda/kernels/weight_readers.cuh"

namespace easel::cuda {
namespace {

__device__ void store_one(const Target& out, int64_t index, float value) { store(out, index, Pack<1>{{value}}); }

__global__ void __launch_bounds__(kThreads) unpack_kernel(Bytes packed, DType type, int64_t count, Target out) {
  for (int64_t i = first_item(); i < count; i += item_stride()) store_one(out, i, read_weight(packed, type, i));
}

// Items are elements of the result [o, kh, kw, i_out].
__global__ void __launch_bounds__(kThreads)
    unpack_conv_kernel(Bytes packed, DType type, ConvWeightShape shape, int64_t i_out, Target out) {
  const int64_t window = shape.kh * shape.kw;
  const int64_t count = shape.o * window * i_out;
  for (int64_t item = first_item(); item < count; item += item_stride()) {
    const int64_t i = item % i_out;
    const int64_t place = item / i_out % window;
    const int64_t o = item / i_out / window;
    const float value = i < shape.i ? read_weight(packed, type, (o * shape.i + i) * window + place) : 0.0f;
    store_one(out, item, value);
  }
}

// Items are elements of the result [count, width].
__global__ void __launch_bounds__(kThreads) embedding_kernel(const int32_t* ids, int64_t count, Bytes table, DType type,
                                                             int64_t table_rows, int64_t width, Target out) {
  for (int64_t item = first_item(); item < count * width; item += item_stride()) {
    const int64_t id = ids[item / width];
    const bool is_inside = id >= 0 && id < table_rows;
    store_one(out, item, is_inside ? read_weight(table, type, id * width + item % width) : NAN);
  }
}

__global__ void __launch_bounds__(kThreads) count_kernel(Source x, int64_t count, unsigned long long* counter) {
  unsigned long long found = 0;
  for (int64_t i = first_item(); i < count; i += item_stride()) {
    if (!isfinite(load_one(x, i))) ++found;
  }
  if (found > 0) atomicAdd(counter, found);
}

// Whether elements can be read directly.
bool is_plain(const void* data, DType type) {
  if (type != DType::f32 && type != DType::f16 && type != DType::bf16) return false;
  return reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(size_of(type)) == 0;
}

}  // namespace

bool can_unpack(DType type) {
  return is_quantized(type) || type == DType::f32 || type == DType::f16 || type == DType::bf16;
}

void unpack(const void* packed, DType packed_type, int64_t count, Target out, Stream stream) {
  if (count == 0) return;
  if (is_plain(packed, packed_type)) return convert({packed, packed_type}, out, count, stream);
  launch(unpack_kernel, {.x = blocks_for(count, kThreads)}, kThreads, 0, stream, static_cast<Bytes>(packed),
         packed_type, count, out);
}

void unpack_conv_weight(const void* packed, DType packed_type, const ConvWeightShape& shape, int64_t i_out, Target out,
                        Stream stream) {
  const int64_t count = shape.o * shape.kh * shape.kw * i_out;
  if (count == 0) return;
  launch(unpack_conv_kernel, {.x = blocks_for(count, kThreads)}, kThreads, 0, stream, static_cast<Bytes>(packed),
         packed_type, shape, i_out, out);
}

void embedding(const int32_t* ids, int64_t count, const void* table, DType table_type, int64_t table_rows,
               int64_t width, Target out, Stream stream) {
  if (count * width == 0) return;
  launch(embedding_kernel, {.x = blocks_for(count * width, kThreads)}, kThreads, 0, stream, ids, count,
         static_cast<Bytes>(table), table_type, table_rows, width, out);
}

void count_non_finite(Source x, int64_t count, unsigned long long* counter, Stream stream) {
  if (count == 0) return;
  launch(count_kernel, {.x = blocks_for(count, kThreads)}, kThreads, 0, stream, x, count, counter);
}

}  // namespace easel::cuda
