#include "easel/sampling/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "easel/base/error.h"

namespace easel {
namespace {

std::string message_of(const std::string& name) {
  try {
    find_sampler(name);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    return error.what();
  }
  return "no error";
}

TEST(Registry, FindsSamplersByTheNamesOfEveryProgram) {
  const auto expect = [](const std::string& name, const std::string& sampler, const std::string& schedule) {
    const SamplerChoice choice = find_sampler(name);
    EXPECT_EQ(choice.sampler.name, sampler) << name;
    EXPECT_EQ(choice.schedule.name, schedule) << name;
  };
  expect("ddim", "ddim", "ddim");
  expect("PLMS", "plms", "ddim");
  expect("dpm_solver", "dpm_solver", "time_uniform");
  expect("Euler a", "euler_ancestral", "discrete");
  expect("k_euler_a", "euler_ancestral", "discrete");
  expect("DPM++ 2M", "dpmpp_2m", "discrete");
  expect("DPM++ 2M Karras", "dpmpp_2m", "karras");
  expect("dpmpp_2m_sgm_uniform", "dpmpp_2m", "sgm_uniform");
  expect("EulerDiscreteScheduler", "euler", "discrete");
  expect("DPM++ 2S a Karras", "dpmpp_2s_ancestral", "karras");
  expect("DPM++ 3M SDE Exponential", "dpmpp_3m_sde", "exponential");
  expect("DPM2 a", "dpm_2_ancestral", "discrete");
  expect("UniPC", "unipc", "linspace");
  expect("LCM", "lcm", "lcm");
}

TEST(Registry, EveryNameFindsItsOwnSampler) {
  std::set<std::string> seen;
  for (const SamplerInfo& info : samplers()) {
    EXPECT_TRUE(seen.insert(info.name).second) << info.name;
    EXPECT_EQ(&find_sampler(info.name).sampler, &info);
    for (const std::string& alias : info.aliases) EXPECT_EQ(&find_sampler(alias).sampler, &info) << alias;
    EXPECT_EQ(find_schedule(info.schedule).name, info.schedule);
    EXPECT_FALSE(info.description.empty());
    EXPECT_NE(info.make({}), nullptr);
  }
}

TEST(Registry, UnknownNameSuggestsTheNearest) {
  EXPECT_EQ(message_of("eular"), "unknown sampler 'eular'; did you mean 'euler'?");
  EXPECT_EQ(message_of("plsm"), "unknown sampler 'plsm'; did you mean 'plms'?");
  EXPECT_THAT(message_of("qqqqqqqqqqqqqq"), ::testing::HasSubstr("known are ddim, plms, "));
}

}  // namespace
}  // namespace easel
