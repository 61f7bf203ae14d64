// Which of the processor's instructions are used: all, unless the environment variable EASEL_CPU_ISA says "avx2" or
// "sse4". For tests of what other processors compute, and for processors that slow down with wide vectors.
#pragma once

#include <cstdint>
#include <string>

namespace easel::cpu {

enum class InstructionLimit : uint8_t { none, avx2, sse4 };

// Read once. Throws Error invalid_request: the variable has another value.
InstructionLimit instruction_limit();

// Makes the vector kernels keep to it; to be called before any is used.
void apply_instruction_limit();

// What the vector kernels can use of this processor within that limit: "SSE4, AVX2, AVX-512, VNNI".
std::string instruction_sets();

}  // namespace easel::cpu
