#include "easel/backend/cpu/instruction_limit.h"

#include <hwy/targets.h>

#include <cstdlib>
#include <string_view>

#include "easel/backend/cpu/int8_dot.h"
#include "easel/base/error.h"

namespace easel::cpu {
namespace {

InstructionLimit read_limit() {
  const char* const value = std::getenv("EASEL_CPU_ISA");
  if (value == nullptr || *value == '\0') return InstructionLimit::none;
  if (std::string_view(value) == "avx2") return InstructionLimit::avx2;
  if (std::string_view(value) == "sse4") return InstructionLimit::sse4;
  throw Error(ErrorCode::invalid_request, "EASEL_CPU_ISA is '{}', expected avx2 or sse4, or nothing for all there is",
              value);
}

void apply() {
#if defined(__x86_64__)
  // Highway's targets are bits; the lower, the wider.
  switch (instruction_limit()) {
    case InstructionLimit::none: break;
    case InstructionLimit::avx2: hwy::DisableTargets(HWY_AVX2 - 1); break;
    case InstructionLimit::sse4: hwy::DisableTargets(HWY_SSE4 - 1); break;
  }
#endif
}

}  // namespace

InstructionLimit instruction_limit() {
  static const InstructionLimit limit = read_limit();
  return limit;
}

std::string instruction_sets() {
  apply_instruction_limit();
  const auto targets = hwy::SupportedTargets();
  std::string names;
  const auto add = [&](bool has, std::string_view name) {
    if (has) names += (names.empty() ? "" : ", ") + std::string(name);
  };
#if defined(__x86_64__)
  add((targets & HWY_SSE4) != 0, "SSE4");
  add((targets & HWY_AVX2) != 0, "AVX2");
  add((targets & HWY_AVX3) != 0, "AVX-512");
#else
  add(targets != 0, hwy::TargetName(targets & -targets));
#endif
  add(int8_variants().front().is_fast, "VNNI");
  return names.empty() ? "no vector instructions" : names;
}

void apply_instruction_limit() { [[maybe_unused]] static const bool once = (apply(), true); }

}  // namespace easel::cpu
