// The kernels of the CUDA backend, as functions of the host that put work on a stream and return at once.
//
// Pointers are to the card's memory unless a comment says otherwise. Tensors are contiguous, channels-last, of type
// f32, f16 or bf16 where a comment names no other; arithmetic and sums are in f32. A result must not overlap an
// operand, except that element-wise functions may work in place. Sizes may be 0: then nothing is launched. Sizes and
// types are the caller's to check; a launch that fails is found by the caller's cudaGetLastError. Functions of images
// and weights are in image_kernels.h and weight_kernels.h.
#pragma once

#include <cstdint>
#include <span>

#include "easel/backend/options.h"
#include "easel/tensor/dtype.h"

struct CUstream_st;

namespace easel::cuda {

using Stream = CUstream_st*;  // cudaStream_t

// The elements of a tensor: f32, f16 or bf16.
struct Source {
  const void* data = nullptr;
  DType type = DType::f32;
};
struct Target {
  void* data = nullptr;
  DType type = DType::f32;
  operator Source() const { return {data, type}; }
};

// --- element by element: operands and result may be of different types -----------------------------------------------

// out = x, rounded to nearest even
void convert(Source x, Target out, int64_t count, Stream stream);
void activate(Source x, Activation activation, Target out, int64_t count, Stream stream);
void multiply(Source a, Source b, Target out, int64_t count, Stream stream);
void clamp(Source x, float low, float high, Target out, int64_t count, Stream stream);

struct Summand {
  float factor;
  Source x;
};
// out = sum of factor * x over all terms + constant. In f32 throughout if there are at most kMaxSummands terms; with
// more, `out` holds sums of the first ones in its own type and must be none of the later operands.
inline constexpr int kMaxSummands = 16;
void combine(std::span<const Summand> terms, float constant, Target out, int64_t count, Stream stream);

// What to add to every row of a result; a null pointer adds nothing.
struct Additions {
  Source bias = {};        // [c]
  Source image_bias = {};  // [n, c], one row per image
  Activation activation = Activation::none;
  Source residual = {};  // [n * rows, c], added after the activation
};
// out = activation(x + bias + image_bias) + residual, for n images of `rows` rows of c. x and out of one type, may be
// the same; the additions of any type. The residual may be `out` too.
void add(Source x, const Additions& additions, int64_t n, int64_t rows, int64_t c, Target out, Stream stream);

// both [rows, 2 * width], each row [a, gate] -> out [rows, width] = a * gelu(gate). One type.
void geglu(Source both, int64_t rows, int64_t width, Target out, Stream stream);

// --- norms: x and out of one type and may be the same; weights of any type -------------------------------------------

struct NormWeights {
  Source weight;  // [c]
  Source bias;    // [c]
};

// x [n, pixels, c]; c a multiple of `groups`, at most kMaxGroupNormChannels. scratch: group_norm_scratch_bytes, aligned
// to 16.
inline constexpr int64_t kMaxGroupNormChannels = 5120;
int64_t group_norm_scratch_bytes(int64_t n, int64_t pixels, int64_t groups);
void group_norm(Source x, const NormWeights& weights, int64_t n, int64_t pixels, int64_t c, int64_t groups,
                float epsilon, Activation activation, Target out, void* scratch, Stream stream);

// As Backend::channel_sums: sums [2, c] f64 = before (null: 0) + sums over x's pixels of x - pivot and of its square.
// x [pixels, c], pivot [c], `before` may be `sums`. scratch: channel_sums_scratch_bytes, aligned to 16.
int64_t channel_sums_scratch_bytes(int64_t pixels, int64_t c);
void channel_sums(Source x, Source pivot, int64_t pixels, int64_t c, const double* before, double* sums, void* scratch,
                  Stream stream);
// As Backend::group_norm_scales: scales [2, c] f32.
void group_norm_scales(const double* sums, Source pivot, int64_t pixels, const NormWeights& weights, int64_t c,
                       int64_t groups, float epsilon, float* scales, Stream stream);
// out = activation(x * scales[0] + scales[1]). x [rows, c], scales [2, c] f32
void scale_shift(Source x, const float* scales, int64_t rows, int64_t c, Activation activation, Target out,
                 Stream stream);

// x [rows, width]
void layer_norm(Source x, const NormWeights& weights, int64_t rows, int64_t width, float epsilon, Target out,
                Stream stream);

// out = softmax(scale * x) of every row; x [rows, width], x and out of any types.
void softmax_rows(Source x, int64_t rows, int64_t width, float scale, Target out, Stream stream);

// --- tokens ----------------------------------------------------------------------------------------------------------

// out [count, width] = rows of table [table_rows, width]. table: of any type of unpack() in weight_kernels.h, whole
// blocks a row. An id outside the table gives a row of NaN, which is found later and named.
void embedding(const int32_t* ids, int64_t count, const void* table, DType table_type, int64_t table_rows,
               int64_t width, Target out, Stream stream);

struct AttentionSizes {
  int64_t n, queries, keys, heads, head_dim;
};
// softmax(q k^T / sqrt(head_dim)) v. q, out [n, queries, heads * head_dim]; k, v [n, keys, heads * head_dim]; any head
// dimension, all of one type. Causal: query i sees keys 0..i. Products in f32 and without tensor cores.
void attention(Source q, Source k, Source v, const AttentionSizes& sizes, bool causal, Target out, Stream stream);

// The same on tensor cores, with weights rounded to the operands' type: f16 or bf16 at addresses that are multiples of
// 16, for a head dimension and a card for which it applies. capability: 10 * major + minor
bool tensor_attention_applies(DType type, int64_t head_dim, int capability);
void tensor_attention(Source q, Source k, Source v, const AttentionSizes& sizes, bool causal, Target out,
                      Stream stream);

}  // namespace easel::cuda
