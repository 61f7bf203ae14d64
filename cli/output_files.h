// Where images go: numbered files that never replace another.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "easel/pipeline/result.h"

namespace easel::cli {

class OutputFolder {
 public:
  // Creates the folder. Throws Error io_failure if nothing can be written there.
  explicit OutputFolder(std::filesystem::path folder);

  struct Saved {
    std::filesystem::path file;
    int64_t number;
  };
  // As NNNNN-SEED.png with the next free number, or with `number` if an intermediate image has taken it. parameters:
  // the text for the file. Throws Error io_failure.
  std::filesystem::path save_image(const GeneratedImage& image, std::optional<int64_t> number = {}) const;
  // As NNNNN-SEED-step-KKK.png; the first of an image takes the next free number.
  Saved save_intermediate(const GeneratedImage& image, int64_t step, std::optional<int64_t> number) const;
  // As grid-NNNN.png and plot-NNNN.png.
  std::filesystem::path save_grid(const Image& grid, const std::string& parameters) const;
  std::filesystem::path save_plot(const Image& sheet, const std::string& parameters) const;

 private:
  // The number goes behind `prefix`, at least `digits` long, and `ending` after it.
  Saved save(const Image& image, const std::string& parameters, std::string_view prefix, int digits,
             const std::string& ending, std::optional<int64_t> number) const;

  std::filesystem::path folder_;
};

// To exactly this file, whose ending says the format; an older one is replaced.
void save_to(const std::filesystem::path& file, const Image& image, const std::string& parameters);
// "bird.png" -> "bird-step-010.png"
std::filesystem::path intermediate_file(const std::filesystem::path& file, int64_t step);
// Throws Error if that cannot work, before any work is done.
void require_writable_file(const std::filesystem::path& file);

}  // namespace easel::cli
