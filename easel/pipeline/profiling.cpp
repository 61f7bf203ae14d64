#include "easel/pipeline/profiling.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "easel/backend/devices.h"
#include "easel/base/error.h"

namespace easel {
namespace {

using Json = nlohmann::ordered_json;

double microseconds(std::chrono::duration<double> time) { return time.count() * 1e6; }

double gflops(double flops, double seconds) { return seconds > 0.0 ? flops * 1e-9 / seconds : 0.0; }

FamilyReport sum_of(const ProfileReport& report) {
  FamilyReport sum{.name = "all", .calls = 0, .seconds = 0.0, .flops = 0.0, .bytes = 0.0};
  for (const FamilyReport& family : report.families) {
    sum.calls += family.calls;
    sum.seconds += family.seconds;
    sum.flops += family.flops;
    sum.bytes += family.bytes;
  }
  return sum;
}

std::string line(const FamilyReport& family, double all_seconds, double limit) {
  const double rate = gflops(family.flops, family.seconds);
  const double time_share = all_seconds > 0.0 ? family.seconds / all_seconds : 0.0;
  return fmt::format("{:<15}{:>8}{:>10.3f}{:>7.1f}%{:>10.1f}{:>10.0f}{:>9.0f}%{:>9.2f}\n", family.name, family.calls,
                     family.seconds, 100.0 * time_share, family.flops * 1e-9, rate, 100.0 * rate / limit,
                     family.bytes * 1e-9);
}

Json json_of(const FamilyReport& family, double limit) {
  const double rate = gflops(family.flops, family.seconds);
  return {{"name", family.name},          {"calls", family.calls},    {"seconds", family.seconds},
          {"gflop", family.flops * 1e-9}, {"gflop_per_second", rate}, {"share_of_limit", rate / limit},
          {"gbyte", family.bytes * 1e-9}};
}

}  // namespace

ProfileReport report_of(const std::shared_ptr<const Profile>& profile, int threads) {
  EASEL_ASSERT(profile != nullptr);
  ProfileReport report{.matmul_gflops = matmul_gflops(threads), .families = {}, .trace = trace_of(*profile)};
  for (const FamilyTotal& total : totals_by_family(*profile)) {
    report.families.push_back({.name = std::string(name_of(total.family)),
                               .calls = total.calls,
                               .seconds = total.seconds,
                               .flops = total.flops,
                               .bytes = total.bytes});
  }
  return report;
}

std::string trace_of(const Profile& profile) {
  Json events = Json::array();
  for (const OpRecord& record : profile.records()) {
    const double seconds = record.duration.count();
    events.push_back({{"name", name_of(record.family)},
                      {"cat", "op"},
                      {"ph", "X"},
                      {"ts", microseconds(record.start - profile.records().front().start)},
                      {"dur", microseconds(record.duration)},
                      {"pid", 1},
                      {"tid", 1},
                      {"args",
                       {{"shape", record.shape},
                        {"gflop", record.flops * 1e-9},
                        {"gflop_per_second", gflops(record.flops, seconds)},
                        {"mbyte", record.bytes * 1e-6}}}});
  }
  return Json{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}}.dump();
}

std::string to_text(const ProfileReport& report) {
  const FamilyReport sum = sum_of(report);
  std::string out = fmt::format("{:<15}{:>8}{:>10}{:>8}{:>10}{:>10}{:>10}{:>9}\n", "operations", "calls", "seconds",
                                "time", "GFLOP", "GFLOP/s", "of limit", "GB");
  for (const FamilyReport& family : report.families) out += line(family, sum.seconds, report.matmul_gflops);
  out += line(sum, sum.seconds, report.matmul_gflops);
  return out + fmt::format("limit: {:.0f} GFLOP/s, measured after the job on a 2048 x 2048 f32 matrix product\n",
                           report.matmul_gflops);
}

std::string to_json(const ProfileReport& report) {
  Json json{{"matmul_gflops", report.matmul_gflops}, {"families", Json::array()}};
  for (const FamilyReport& family : report.families) json["families"].push_back(json_of(family, report.matmul_gflops));
  return json.dump();
}

}  // namespace easel
