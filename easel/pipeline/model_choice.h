// ModelOptions: the files that a model is made of, and how it computes. Private to easel/pipeline.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <span>

#include "easel/backend/reduced_products.h"
#include "easel/checkpoint/family.h"

namespace easel {

inline constexpr std::array kDrawingFamilies = {Family::sd1, Family::sd1_inpaint, Family::sd2, Family::sd2_inpaint,
                                                Family::sd2_depth};
inline constexpr std::array kUpscalingFamilies = {Family::x4_upscaler};

struct ModelOptions {
  std::filesystem::path checkpoint;
  std::span<const Family> families = kDrawingFamilies;    // those it may be of
  std::optional<std::filesystem::path> config = {};       // an original .yaml file
  std::optional<std::filesystem::path> vae = {};          // replaces the checkpoint's VAE
  std::optional<std::filesystem::path> preview_vae = {};  // a tiny one that shows what is not finished
  std::optional<Parameterization> parameterization = {};  // otherwise found out
  std::optional<ReducedNumbers> reduced = {};             // the device's, where it may: what memory weights take
};

}  // namespace easel
