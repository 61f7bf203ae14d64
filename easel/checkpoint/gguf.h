// The GGUF format of ggml's programs: typed metadata, a list of tensors, then their aligned bytes.
#pragma once

#include <optional>
#include <string_view>

#include "easel/checkpoint/contents.h"

namespace easel {

inline constexpr std::string_view kGgufMagic = "GGUF";
inline constexpr uint32_t kGgufVersion = 3;
inline constexpr uint64_t kGgufAlignment = 32;  // of tensors, unless the metadata say otherwise
inline constexpr std::string_view kGgufAlignmentKey = "general.alignment";
// A tensor whose rows are shorter than a block is stored as wider rows; this key and its name tell the true shape.
inline constexpr std::string_view kGgufShapeKey = "comfy.gguf.orig_shape.";

enum class GgufType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

// Element types by their numbers in the file; nothing for those that easel does not know.
std::optional<DType> gguf_dtype(uint32_t number);
std::optional<uint32_t> gguf_number(DType dtype);

// Versions 2 and 3, little-endian. Strict: no duplicate names or keys, no nested arrays, whole blocks, no overlap,
// everything within the file. Shapes are turned into our order, outermost first. Throws Error bad_checkpoint.
Contents read_gguf(const Source& source);

}  // namespace easel
