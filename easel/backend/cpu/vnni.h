// What the kernels of int8_dot.cpp and int16_dot.cpp share. Highway of Debian 12 has no VNNI, hence intrinsics of the
// compiler, which these two files alone use.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "easel/backend/cpu/instruction_limit.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

// Register blocks stay in registers only if their loops are unrolled whole.
#define EASEL_UNROLL_BLOCK _Pragma("GCC unroll 16")
#define EASEL_AVX512_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define EASEL_AVX_VNNI __attribute__((target("avx2,avxvnni")))
#define EASEL_AVX2 __attribute__((target("avx2")))

namespace easel::cpu {

// The 32 bits at `a` that one instruction takes: four 8-bit or two 16-bit integers.
inline int32_t group_at(const void* a) {
  int32_t group;
  std::memcpy(&group, a, sizeof(group));
  return group;
}

inline bool has_avx512_vnni() {
  return instruction_limit() == InstructionLimit::none && __builtin_cpu_supports("avx512vnni") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

inline bool has_avx_vnni() {
  constexpr unsigned kAvxVnniBit = 1u << 4;  // of EAX, leaf 7, subleaf 1
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return instruction_limit() == InstructionLimit::none && __builtin_cpu_supports("avx2") &&
         __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvxVnniBit) != 0;
}

}  // namespace easel::cpu
#endif
