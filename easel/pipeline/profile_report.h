// Where the time of a pipeline's work went, by kinds of operation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace easel {

struct FamilyReport {
  std::string name;  // "conv3x3", "linear", "attention", ...
  int64_t calls;
  double seconds;
  double flops;  // multiplications and additions of the definition, whatever a kernel saves
  double bytes;  // of inputs, weights and results
};

struct ProfileReport {
  double matmul_gflops;                // what the machine reaches on a large f32 matrix product: the limit
  std::vector<FamilyReport> families;  // longest first
  std::string trace;                   // every operation, as JSON that Chrome's tracing page and Perfetto show
};

// A table for people.
std::string to_text(const ProfileReport& report);
// {"matmul_gflops": ..., "families": [{"name": ..., "share_of_limit": ...}, ...]}
std::string to_json(const ProfileReport& report);

}  // namespace easel
