// Element types of tensors and of tensors in files.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace easel {

// The last two lines are quantised: blocks of elements that share a scale (GGUF's types, block_readers-inl.h). Only
// weights have those types, tensors never do.
enum class DType {
  f16,
  bf16,
  f32,
  f64,
  i64,
  i32,
  i16,
  i8,
  u8,
  boolean,  //
  q8_0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,  //
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k
};

struct Block {
  int64_t elements;  // 1 if the type is not quantised
  int64_t bytes;
};
Block block_of(DType dtype);
inline bool is_quantized(DType dtype) { return block_of(dtype).elements > 1; }
bool is_floating(DType dtype);                    // real numbers, quantised or not
int64_t bytes_of(DType dtype, int64_t elements);  // whole blocks only
int64_t size_of(DType dtype);                     // bytes of one element; not for quantised types
std::string_view name_of(DType dtype);            // "F16" as safetensors writes it, "Q8_0" as GGUF's tools do

// Reads out.size() elements of `dtype` from `bytes` (of any alignment) as f32. The sizes must agree.
// Vectorised for f16, bf16, f32 and quantised types.
void convert_to_f32(DType dtype, std::span<const std::byte> bytes, std::span<float> out);

// The way back, for f32, f16, bf16 (round to nearest even) and the quantised types that can be written (blocks.h).
void convert_from_f32(DType dtype, std::span<const float> values, std::span<std::byte> bytes);

// IEEE half from f32, round to nearest even; values from 65520 become infinity.
void convert_to_f16(std::span<const float> values, std::span<uint16_t> out);
uint16_t f16_from_f32(float value);
float f32_from_f16(uint16_t bits);

}  // namespace easel
