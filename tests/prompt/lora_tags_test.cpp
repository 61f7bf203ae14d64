// <lora:name:weight> in prompts, as AUTOMATIC1111 reads it.
#include "easel/prompt/lora_tags.h"

#include <gmock/gmock.h>

#include "easel/base/error.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(LoraTags, AreTakenOutOfTheText) {
  const TaggedPrompt prompt = take_lora_tags("a cat <lora:ink:0.8>, night<lora:glow><lyco:x:0.5:1.5>");
  EXPECT_EQ(prompt.text, "a cat , night");
  EXPECT_THAT(prompt.loras, ElementsAre(LoraTag{"ink", 0.8, 0.8}, LoraTag{"glow", 1.0, 1.0}, LoraTag{"x", 0.5, 1.5}));
  EXPECT_THAT(take_lora_tags("<lora:a b:te=0.25:unet=-1>").loras, ElementsAre(LoraTag{"a b", 0.25, -1.0}));
  EXPECT_THAT(take_lora_tags("<lora:a:0.5:unet=2>").loras, ElementsAre(LoraTag{"a", 0.5, 2.0}));
}

TEST(LoraTags, OtherAngleBracketsAreText) {
  for (const char* text :
       {"", "a < b > c", "<lora", "<lora:", "<lora:>", "<lora:x", "<loras:x>", "<|endoftext|>", "<b>x</b>"}) {
    const TaggedPrompt prompt = take_lora_tags(text);
    EXPECT_EQ(prompt.text, text);
    EXPECT_THAT(prompt.loras, IsEmpty());
  }
}

std::string refusal(std::string_view prompt) {
  try {
    take_lora_tags(prompt);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_request);
    return error.what();
  }
  ADD_FAILURE() << prompt;
  return {};
}

TEST(LoraTags, MistakesAreToldNotIgnored) {
  EXPECT_THAT(refusal("a <lora:x:strong>"), HasSubstr("<lora:x:strong> in the prompt: 'strong' is no weight"));
  EXPECT_THAT(refusal("<lora:x:1000>"), HasSubstr("expected a number from -100 to 100"));
  EXPECT_THAT(refusal("<lora:x:1:2:3>"), HasSubstr("'3' is not understood"));
  EXPECT_THAT(refusal("<lora:x:dyn=1>"), HasSubstr("'dyn=1' is not understood"));
  EXPECT_THAT(refusal("<lora::1>"), HasSubstr("names no LoRA"));
  EXPECT_THAT(refusal("<hypernet:x:1>"), HasSubstr("no hypernetworks"));
  EXPECT_THAT(refusal("\xff"), HasSubstr("UTF-8"));
}

}  // namespace
}  // namespace easel::testing
