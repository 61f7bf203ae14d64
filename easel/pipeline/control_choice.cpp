#include "easel/pipeline/control_choice.h"

#include "easel/base/error.h"
#include "easel/image/canny.h"
#include "easel/pipeline/check_range.h"
#include "easel/pipeline/request.h"
#include "easel/pipeline/request_names.h"

namespace easel {
namespace {

void check_choice(const Request& request, const ControlChoice& choice) {
  const std::string name = fmt::format("the ControlNet {}", choice.model);
  if (choice.model.empty()) throw Error(ErrorCode::invalid_request, "a ControlNet has no name");
  check_range(fmt::format("the weight of {}", name), choice.weight, 0.0, kMaxControlWeight);
  check_range(fmt::format("the start of {}", name), choice.start, 0.0, 1.0);
  check_range(fmt::format("the end of {}", name), choice.end, choice.start, 1.0);
  if (choice.canny_low || choice.canny_high) {
    if (choice.preprocessor != ControlPreprocessor::canny) {
      throw Error(ErrorCode::invalid_request, "{} has thresholds for edges, but its preprocessor is {}, not canny",
                  name, choice_name(choice.preprocessor));
    }
    const CannyThresholds usual;
    const int64_t low = choice.canny_low.value_or(usual.low), high = choice.canny_high.value_or(usual.high);
    check_range(fmt::format("the low threshold of {}", name), low, 0, kMaxSlope);
    check_range(fmt::format("the high threshold of {}", name), high, low, kMaxSlope);
  }
  if (!choice.image && request.task == Task::txt2img) {
    throw Error(ErrorCode::invalid_request, "{} needs an image that it follows", name);
  }
  if (choice.image && (request.only_masked || request.margins.any())) {
    throw Error(
        ErrorCode::invalid_request,
        "{} has an image of its own, which does not say where it lies when only the masked part is drawn or the "
        "image grows; leave it out and the initial image is taken",
        name);
  }
}

}  // namespace

void check_controls(const Request& request) {
  if (request.controls.size() > kMaxControls) {
    throw Error(ErrorCode::invalid_request, "{} ControlNets, expected at most {}", request.controls.size(),
                kMaxControls);
  }
  for (const ControlChoice& choice : request.controls) check_choice(request, choice);
}

std::string describe(const ControlChoice& choice) {
  std::string text =
      fmt::format("Module: {}, Model: {}, Weight: {}, Guidance Start: {}, Guidance End: {}",
                  choice_name(choice.preprocessor), choice.model, choice.weight, choice.start, choice.end);
  if (choice.canny_low) text += fmt::format(", Threshold A: {}", *choice.canny_low);
  if (choice.canny_high) text += fmt::format(", Threshold B: {}", *choice.canny_high);
  return text;
}

}  // namespace easel
