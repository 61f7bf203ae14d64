// Element types of tensors and of tensors in files.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace easel {

enum class DType { f16, bf16, f32, f64, i64, i32, i16, i8, u8, boolean };

int64_t size_of(DType dtype);           // bytes of one element
std::string_view name_of(DType dtype);  // "F16", as safetensors writes it

// Reads out.size() elements of `dtype` from `bytes` (of any alignment) as f32. The sizes must agree.
// Vectorised for f16, bf16 and f32.
void convert_to_f32(DType dtype, std::span<const std::byte> bytes, std::span<float> out);

// IEEE half from f32, round to nearest even; values from 65520 become infinity.
void convert_to_f16(std::span<const float> values, std::span<uint16_t> out);
uint16_t f16_from_f32(float value);
float f32_from_f16(uint16_t bits);

}  // namespace easel
