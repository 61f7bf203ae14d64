// Golden: tests/golden/prompt_weights, the functions of the AUTOMATIC1111 web UI.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "easel/base/text.h"
#include "easel/prompt/attention.h"
#include "easel/prompt/composition.h"
#include "easel/prompt/schedule.h"
#include "tests/prompt/prompt_testing.h"

namespace easel {

void PrintTo(const WeightedText& part, std::ostream* out) {
  *out << fmt::format("[\"{}\", {}]", part.text, part.weight);
}
void PrintTo(const ScheduledText& text, std::ostream* out) {
  *out << fmt::format("[{}, \"{}\"]", text.end_step, text.text);
}
void PrintTo(const Subprompt& part, std::ostream* out) { *out << fmt::format("[\"{}\", {}]", part.text, part.weight); }

namespace {

using nlohmann::json;

std::string repeated(std::string_view unit, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += unit;
  return text;
}

// True if `function` returns, false if it refuses the prompt as an invalid request; anything else fails the test.
template <typename Function>
bool accepts(Function function) {
  try {
    function();
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    EXPECT_TRUE(is_utf8(error.what())) << error.what();
    return false;
  }
}

TEST(Attention, GivesThePartsOfTheReference) {
  const json golden = testing::read_golden_json("prompt_weights/attention.json");
  ASSERT_EQ(golden.at("cases").size(), 138u);
  for (const json& item : golden.at("cases")) {
    const std::string text = item.at("text");
    if (item.contains("error")) {
      EXPECT_FALSE(accepts([&] { static_cast<void>(parse_attention(text)); })) << text;
      continue;
    }
    std::vector<WeightedText> parts;
    for (const json& part : item.at("parts")) parts.push_back({part.at(0), part.at(1)});
    EXPECT_EQ(parse_attention(text), parts) << text;
  }
}

TEST(Attention, RefusesAWeightThatIsNoNumber) {
  EXPECT_ERROR(
      parse_attention("a (cat:1.3.4)"), ErrorCode::invalid_request,
      "\"1.3.4\" at offset 7 of the prompt is no weight; write a number such as 1.3, or \\( for a bracket that is "
      "part of the text");
}

TEST(Attention, RefusesAWeightThatIsTooLarge) {
  EXPECT_ERROR(parse_attention("(cat:" + repeated("9", 400) + ")"), ErrorCode::invalid_request,
               "the weight of \"cat\" in the prompt is too large");
  EXPECT_ERROR(parse_attention("((cat:" + repeated("9", 30) + "):" + repeated("9", 30) + ")"),
               ErrorCode::invalid_request, "the weight of \"cat\" in the prompt is too large");
}

TEST(Attention, RefusesBracketsThatAreNestedTooDeeply) {
  EXPECT_EQ(parse_attention(repeated("[", 1000) + "x").size(), 1u);
  EXPECT_ERROR(
      parse_attention(repeated("(", 1001) + "x"), ErrorCode::invalid_request,
      "the prompt nests more than 1000 brackets at offset 1000; write \\( for a bracket that is part of the text");
  EXPECT_ERROR(
      parse_attention(repeated("[", 5000) + "x"), ErrorCode::invalid_request,
      "the prompt nests more than 1000 brackets at offset 1000; write \\( for a bracket that is part of the text");
}

TEST(Attention, RefusesTextThatIsNotUtf8) {
  EXPECT_ERROR(
      parse_attention("a (\xFF)"), ErrorCode::invalid_request,
      "the prompt is not UTF-8: byte 0xFF at offset 3 starts no valid character; save the text as UTF-8 and try "
      "again");
}

TEST(Attention, KnowsABreakFromTheWord) {
  EXPECT_TRUE(is_break({"BREAK", -1.0}));
  EXPECT_FALSE(is_break({"BREAK", -1.1}));  // in brackets
  EXPECT_FALSE(is_break({"BREAK", 1.0}));   // written B\REAK
}

SchedulePass pass_of(const json& item) {
  if (!item.contains("hires_steps")) return {.steps = item.at("steps")};
  return {.steps = item.at("steps"), .second_pass_steps = item.at("hires_steps").get<int64_t>()};
}

TEST(Schedule, GivesTheTextsOfTheReference) {
  const json golden = testing::read_golden_json("prompt_weights/schedules.json");
  ASSERT_EQ(golden.at("cases").size(), 140u);
  for (const json& item : golden.at("cases")) {
    std::vector<ScheduledText> schedule;
    for (const json& text : item.at("schedule")) schedule.push_back({text.at(0), text.at(1)});
    EXPECT_EQ(schedule_prompt(item.at("text").get<std::string>(), pass_of(item)), schedule) << item.dump();
  }
}

TEST(Schedule, FindsTheTextOfAStep) {
  const std::vector<ScheduledText> schedule = schedule_prompt("[a:b:3]", {.steps = 5});
  std::string texts;
  for (int64_t step = 1; step <= 5; ++step) texts += text_at_step(schedule, step);
  EXPECT_EQ(texts, "aaabb");
}

TEST(Schedule, LeavesTextAloneThatIsNoEdit) {
  for (const std::string_view text :
       {"[a:b:3)", "([a:b:3)]x", "[a:(b:c:d):3]", "[a:b:[c]3]", "[a:b:e3]", "[a:b:1e]", "[a:b:.]", "[a:b:\\3]",
        "[a:b:]", "[:]", "[", "a\\", "[a:b:3] \\\nx", "[a|b:3]", "(a|b)"}) {
    EXPECT_EQ(schedule_prompt(text, {.steps = 5}), (std::vector<ScheduledText>{{5, std::string(text)}}));
  }
}

TEST(Schedule, EditsInsideBracketsThatStayText) {
  EXPECT_EQ(schedule_prompt("[[a:b:c] [d:e:2]", {.steps = 5}),
            (std::vector<ScheduledText>{{2, "[[a:b:c] d"}, {5, "[[a:b:c] e"}}));
  EXPECT_EQ(schedule_prompt("(a:b:[c:2])", {.steps = 5}), (std::vector<ScheduledText>{{2, "(a:b:)"}, {5, "(a:b:c)"}}));
}

TEST(Schedule, TakesNumbersOfAnySize) {
  const std::string huge = repeated("9", 1000);
  EXPECT_EQ(schedule_prompt("[a:b:" + huge + "]", {.steps = 5}), (std::vector<ScheduledText>{{5, "a"}}));
  EXPECT_EQ(schedule_prompt("[a:b:-" + huge + ".5]", {.steps = 5}), (std::vector<ScheduledText>{{5, "b"}}));
  EXPECT_EQ(schedule_prompt("[a:b:1e999]", {.steps = 5}), (std::vector<ScheduledText>{{5, "a"}}));
  EXPECT_EQ(schedule_prompt("[a:b:1e-999]", {.steps = 5}), (std::vector<ScheduledText>{{5, "b"}}));
  EXPECT_EQ(schedule_prompt("[a:b:1e999]", {.steps = 5, .second_pass_steps = 7}),
            (std::vector<ScheduledText>{{7, "a"}}));
}

TEST(Schedule, RefusesToGrowWithoutLimit) {
  EXPECT_ERROR(schedule_prompt("[a|b]" + repeated("c", 1 << 20), {.steps = 1000}), ErrorCode::invalid_request,
               "the prompt is too long to change at every step: 1000 steps of 1048577 bytes; shorten it or take fewer "
               "steps");
}

TEST(Schedule, RefusesTextThatIsNotUtf8) {
  EXPECT_ERROR(
      schedule_prompt("[a:\x80:3]", {.steps = 5}), ErrorCode::invalid_request,
      "the prompt is not UTF-8: byte 0x80 at offset 3 starts no valid character; save the text as UTF-8 and try "
      "again");
}

TEST(Composition, GivesThePartsOfTheReference) {
  const json golden = testing::read_golden_json("prompt_weights/composition.json");
  ASSERT_EQ(golden.at("cases").size(), 16u);
  for (const json& item : golden.at("cases")) {
    std::vector<Subprompt> parts;
    for (const json& part : item.at("subprompts")) parts.push_back({part.at(0), part.at(1)});
    EXPECT_EQ(split_composition(item.at("text").get<std::string>()), parts) << item.at("text");
  }
}

TEST(Composition, RefusesAWeightThatIsTooLarge) {
  EXPECT_ERROR(split_composition("a AND b:" + repeated("9", 400)), ErrorCode::invalid_request,
               "the weight of an AND part at the end of \"" + (" b:" + repeated("9", 37)) + "\" is too large");
}

TEST(Composition, RefusesTextThatIsNotUtf8) {
  EXPECT_ERROR(
      split_composition("\xC3"), ErrorCode::invalid_request,
      "the prompt is not UTF-8: byte 0xC3 at offset 0 starts no valid character; save the text as UTF-8 and try "
      "again");
}

void parse_all(std::string_view prompt) {
  static_cast<void>(accepts([&] { static_cast<void>(parse_attention(prompt)); }));
  static_cast<void>(accepts([&] { static_cast<void>(schedule_prompt(prompt, {.steps = 5})); }));
  static_cast<void>(accepts([&] { static_cast<void>(split_composition(prompt)); }));
}

// Each of these is quadratic, exponential or a stack overflow in a careless parser.
TEST(PromptGrammar, TakesHostilePromptsInLinearTime) {
  static constexpr size_t kBytes = size_t{1} << 18;
  for (const std::string_view unit :
       {"(",     "[",      ")",   "(a",  "[a",   "[a:",    "[a|", "[(", "[:",      "(:",    ":",
        ": ",    ":1",     ":1.", "\\",  "\\(",  "|",      "[]",  "()", "[a:b:3]", "[a|b]", "(a:2)",
        "BREAK", "BREAK ", " ",   "AND", "AND ", "AND:1 ", "a)",  "a]", "(a:1)[",  "([)]"}) {
    const std::string prompt = repeated(unit, kBytes / unit.size());
    EXPECT_LT(testing::processor_seconds_of([&] { parse_all(prompt); }), 5.0) << unit;  // sanitizers included
  }
}

TEST(PromptGrammar, TakesDeepNesting) {
  static constexpr size_t kDepth = 30000;
  for (const auto& [open, inner, close] : std::vector<std::array<std::string, 3>>{{"[", "a", ":1]"},
                                                                                  {"[a:", "b", ":2]"},
                                                                                  {"[", "a", ":b:2]"},
                                                                                  {"[a|", "b", "]"},
                                                                                  {"[", "a", "|b]"},
                                                                                  {"(", "a", ")"},
                                                                                  {"[", "a", "]"},
                                                                                  {"([", "a", "])"}}) {
    const std::string prompt = repeated(open, kDepth) + inner + repeated(close, kDepth);
    EXPECT_LT(testing::processor_seconds_of([&] { parse_all(prompt); }), 5.0) << open;
  }
  EXPECT_EQ(schedule_prompt(repeated("[a|", kDepth) + "b" + repeated("]", kDepth), {.steps = 2}),
            (std::vector<ScheduledText>{{1, "a"}, {2, "b"}}));
}

TEST(PromptGrammar, SurvivesMutations) {
  testing::Mutator mutator(3);
  for (const char* file : {"attention", "schedules", "composition"}) {
    const json golden = testing::read_golden_json(fmt::format("prompt_weights/{}.json", file));
    for (int i = 0; i < 20000; ++i) {
      parse_all(mutator.mutate(golden["cases"][i % golden["cases"].size()].at("text").get<std::string>()));
    }
  }
}

}  // namespace
}  // namespace easel
