// The choices of a request by name, as command line, JSON and metadata spell them.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/request.h"

namespace easel {

template <typename Choice>
struct ChoiceNames;  // `what` is chosen, and the names of all choices

template <>
struct ChoiceNames<Task> {
  static constexpr const char* what = "task";
  static constexpr std::array names = {std::pair{Task::txt2img, "txt2img"}, std::pair{Task::img2img, "img2img"},
                                       std::pair{Task::inpaint, "inpaint"}, std::pair{Task::depth2img, "depth2img"}};
};

template <>
struct ChoiceNames<NoiseOrder> {
  static constexpr const char* what = "batch noise";
  static constexpr std::array names = {std::pair{NoiseOrder::per_image, "per-image"},
                                       std::pair{NoiseOrder::compvis, "compvis"}};
};

template <>
struct ChoiceNames<FitMode> {
  static constexpr const char* what = "resize mode";
  static constexpr std::array names = {std::pair{FitMode::stretch, "stretch"}, std::pair{FitMode::crop, "crop"},
                                       std::pair{FitMode::pad, "pad"}, std::pair{FitMode::keep, "keep"}};
};

template <>
struct ChoiceNames<StrengthMode> {
  static constexpr const char* what = "strength mode";
  static constexpr std::array names = {std::pair{StrengthMode::compvis, "compvis"},
                                       std::pair{StrengthMode::a1111, "a1111"},
                                       std::pair{StrengthMode::diffusers, "diffusers"}};
};

template <>
struct ChoiceNames<MaskFill> {
  static constexpr const char* what = "mask fill";
  static constexpr std::array names = {std::pair{MaskFill::original, "original"}, std::pair{MaskFill::blur, "blur"},
                                       std::pair{MaskFill::noise, "noise"}, std::pair{MaskFill::zero, "zero"}};
};

template <>
struct ChoiceNames<ControlPreprocessor> {
  static constexpr const char* what = "preprocessor";
  static constexpr std::array names = {std::pair{ControlPreprocessor::none, "none"},
                                       std::pair{ControlPreprocessor::canny, "canny"},
                                       std::pair{ControlPreprocessor::depth, "depth"}};
};

template <typename Choice>
std::string_view choice_name(Choice choice) {
  for (const auto& [value, name] : ChoiceNames<Choice>::names) {
    if (value == choice) return name;
  }
  EASEL_ASSERT(false);
}

// Throws Error invalid_request that lists the names.
template <typename Choice>
Choice parse_choice(std::string_view name) {
  std::vector<std::string> known;
  for (const auto& [value, known_name] : ChoiceNames<Choice>::names) {
    if (name == known_name) return value;
    known.emplace_back(known_name);
  }
  throw Error(ErrorCode::invalid_request, "{} '{}' is unknown, expected {}", ChoiceNames<Choice>::what, name,
              fmt::join(known, ", "));
}

}  // namespace easel
