// The small parts: forms, addresses, comparisons, JSON fields, estimates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/errors.h"
#include "server/http/access.h"
#include "server/http/form.h"
#include "server/http/message.h"
#include "server/jobs/news_pace.h"
#include "server/jobs/preview_pace.h"
#include "server/jobs/run_meter.h"
#include "server/json/fields.h"

namespace easel::server {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

TEST(ParseTarget, DecodesPathAndQuery) {
  const auto target = parse_target("/a%20b/c?x=1&y=%2F+z&flag");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/a b/c");
  EXPECT_EQ(target->query.at("y"), "/ z");
  EXPECT_EQ(target->query.at("flag"), "");
  EXPECT_FALSE(parse_target("/?" + std::string(100, '&')));
}

TEST(HostWithoutPort, KeepsNamesAndAddresses) {
  EXPECT_THAT(host_without_port("LocalHost:80"), Optional(std::string("localhost")));
  EXPECT_THAT(host_without_port("[::1]:80"), Optional(std::string("[::1]")));
  EXPECT_THAT(host_without_port("[::1]"), Optional(std::string("[::1]")));
  EXPECT_EQ(host_without_port(":80"), std::nullopt);
}

TEST(EqualInConstantTime, ComparesTexts) {
  EXPECT_TRUE(equal_in_constant_time("secret", "secret"));
  EXPECT_FALSE(equal_in_constant_time("secres", "secret"));
  EXPECT_FALSE(equal_in_constant_time("secretsecret", "secret"));
  EXPECT_FALSE(equal_in_constant_time("", "secret"));
  EXPECT_FALSE(equal_in_constant_time("x", ""));
}

TEST(PreviewPace, PreviewsTakeATwentiethOfAJobAtMost) {
  using std::chrono::milliseconds;
  const PreviewPace::Clock::time_point start{};
  PreviewPace pace(start);
  EXPECT_TRUE(pace.may_begin(start));
  pace.begin(start + milliseconds(10));
  pace.end(start + milliseconds(30));  // 20 ms: the next after 400
  EXPECT_FALSE(pace.may_begin(start + milliseconds(30)));
  EXPECT_FALSE(pace.may_begin(start + milliseconds(399)));
  EXPECT_TRUE(pace.may_begin(start + milliseconds(400)));
}

TEST(NewsPace, QuickStepsAreToldTogether) {
  using std::chrono::milliseconds;
  const NewsPace::Clock::time_point start = NewsPace::Clock::time_point{} + milliseconds(1000);
  NewsPace pace;
  RunProgress progress{.stage = "sampling", .step = 1};
  EXPECT_TRUE(pace.is_due(progress, start));
  EXPECT_FALSE(pace.is_due(progress, start + milliseconds(199)));
  EXPECT_TRUE(pace.is_due(progress, start + milliseconds(200)));
  progress.preview_version = 1;
  EXPECT_TRUE(pace.is_due(progress, start + milliseconds(201)));
  progress.batch = 1;
  EXPECT_TRUE(pace.is_due(progress, start + milliseconds(202)));
  progress.stage = "decoding";
  EXPECT_TRUE(pace.is_due(progress, start + milliseconds(203)));
  EXPECT_FALSE(pace.is_due(progress, start + milliseconds(204)));
}

TEST(ParseForm, ReadsFieldsAndFiles) {
  const std::string body =
      "--xyz\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na bird\r\n"
      "--xyz\r\nContent-Disposition: form-data; filename=\"a.png\"; name=\"image\"\r\nContent-Type: image/png\r\n\r\n"
      "\x89PNG\r\n--xy\r\n"
      "--xyz--\r\n";
  const Form form = parse_form("multipart/form-data; boundary=xyz", body);
  ASSERT_EQ(form.size(), 2u);
  EXPECT_EQ(form[0].name, "prompt");
  EXPECT_EQ(form[0].content, "a bird");
  EXPECT_FALSE(form[0].is_file);
  EXPECT_EQ(form[1].name, "image");
  EXPECT_EQ(form[1].content, "\x89PNG\r\n--xy");
  EXPECT_TRUE(form[1].is_file);
}

TEST(ParseForm, RefusesMalformedBodies) {
  const std::string type = "multipart/form-data; boundary=\"x\"";
  EXPECT_THROW(parse_form("application/json", "{}"), HttpError);
  EXPECT_THROW(parse_form("multipart/form-data", "--x--"), HttpError);
  for (const char* body : {"", "--y--", "--x", "--xy", "--x\r\n\r\n", "--x\r\nA: b\r\n\r\ntext\r\n--x--",
                           "--x\r\nContent-Disposition: form-data; name=\"a\r\n\r\n\r\n--x--"}) {
    EXPECT_THROW(parse_form(type, body), Error) << body;
  }
  EXPECT_TRUE(parse_form(type, "--x--").empty());
}

TEST(Fields, ReadStrictly) {
  Fields fields =
      Fields::parse(R"({"n": 7, "whole": 20.0, "x": 1.5, "s": "a", "null": null, "big": 18446744073709551615,
                                    "inner": {"bad": 1}, "list": ["a", "b"], "extra": 1})");
  EXPECT_THAT(fields.integer("n", {0, 10}), Optional(7));
  EXPECT_THAT(fields.integer("whole", {0, 100}), Optional(20));
  EXPECT_THROW(fields.integer("x", {0, 10}), FieldError);
  EXPECT_THROW(fields.integer("big", {0, INT64_MAX}), FieldError);
  EXPECT_THAT(fields.unsigned_integer("big"), Optional(UINT64_MAX));
  EXPECT_THROW(fields.number("n", {0.0, 1.0}), FieldError);
  EXPECT_EQ(fields.text("null"), std::nullopt);
  EXPECT_EQ(fields.text("missing"), std::nullopt);
  EXPECT_THAT(fields.texts("list"), ElementsAre("a", "b"));
  EXPECT_TRUE(fields.text("s"));
  Fields inner = *fields.object("inner");
  try {
    inner.text("bad");
    FAIL() << "a number as a text";
  } catch (const FieldError& error) {
    EXPECT_EQ(error.field(), "inner.bad");
    EXPECT_STREQ(error.what(), "\"inner.bad\" is 1, expected a string");
  }
  EXPECT_THAT(fields.unread(), ElementsAre("extra"));
}

TEST(ErrorTable, KnowsEveryCode) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::device_failure); ++code) {
    const auto error = static_cast<ErrorCode>(code);
    EXPECT_GE(http_status(error), 400);
    EXPECT_EQ(http_status_of(name_of(error)), http_status(error));
  }
  EXPECT_EQ(http_status(ErrorCode::not_found), 404);
  EXPECT_EQ(name_of(ErrorCode::cancelled), "cancelled");
}

TEST(RunMeter, EstimatesFromFinishedSteps) {
  using std::chrono::seconds;
  RunMeter meter;
  const RunMeter::Clock::time_point start{};
  meter.measure({.stage = Stage::sampling, .step = 0, .steps = 4, .batch = 0, .batches = 2}, start);
  const RunProgress one =
      meter.measure({.stage = Stage::sampling, .step = 1, .steps = 4, .batch = 0, .batches = 2}, start + seconds(2));
  EXPECT_DOUBLE_EQ(one.time_left->count(), 2.0 * 7);  // 3 steps of this batch, 4 of the next
  EXPECT_DOUBLE_EQ(one.fraction, 0.95 / 4 / 2);
  meter.measure({.stage = Stage::decoding, .step = 0, .steps = 1, .batch = 0, .batches = 2}, start + seconds(8));
  meter.measure({.stage = Stage::decoding, .step = 1, .steps = 1, .batch = 0, .batches = 2}, start + seconds(9));
  meter.measure({.stage = Stage::sampling, .step = 0, .steps = 4, .batch = 1, .batches = 2}, start + seconds(9));
  const RunProgress two =
      meter.measure({.stage = Stage::sampling, .step = 1, .steps = 4, .batch = 1, .batches = 2}, start + seconds(11));
  EXPECT_DOUBLE_EQ(two.time_left->count(), 2.0 * 3 + 1.0);  // and the decoder once more
}

TEST(RunMeter, UpscalingBetweenTwoPassesIsNotTheEnd) {
  RunMeter meter;
  meter.measure({.stage = Stage::sampling, .step = 2, .steps = 4});
  EXPECT_DOUBLE_EQ(meter.measure({.stage = Stage::upscaling, .step = 1, .steps = 1}).fraction, 0.95);
  RunMeter alone;
  EXPECT_DOUBLE_EQ(alone.measure({.stage = Stage::upscaling, .step = 1, .steps = 2}).fraction, 0.5);
}

}  // namespace
}  // namespace easel::server
