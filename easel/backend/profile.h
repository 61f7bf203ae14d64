// What a device computed: every operation with its time, arithmetic and memory traffic.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "easel/backend/backend.h"

namespace easel {

enum class OpFamily { conv3x3, conv1x1, linear, attention, normalization, elementwise, movement };

std::string_view name_of(OpFamily family);  // "conv3x3"

struct OpRecord {
  OpFamily family;
  std::string shape;  // "[2, 64, 64, 320] -> [2, 64, 64, 320]"
  std::chrono::steady_clock::time_point start;
  std::chrono::duration<double> duration;
  double flops;  // multiplications and additions of the definition, whatever the kernel saves
  double bytes;  // of inputs, weights and results, each counted once
};

class Profile {
 public:
  void add(OpRecord record) { records_.push_back(std::move(record)); }
  void clear() { records_.clear(); }
  const std::vector<OpRecord>& records() const { return records_; }
  double flops() const;  // of all records

 private:
  std::vector<OpRecord> records_;
};

struct FamilyTotal {
  OpFamily family;
  int64_t calls = 0;
  double seconds = 0.0;
  double flops = 0.0;
  double bytes = 0.0;
};
// The sums of all records of each family, longest first; families without records are left out.
std::vector<FamilyTotal> totals_by_family(const Profile& profile);

// A backend that lets `inner` work and writes each operation into `profile`. For one thread of calls.
std::unique_ptr<Backend> make_profiling_backend(std::shared_ptr<Backend> inner, std::shared_ptr<Profile> profile);

}  // namespace easel
