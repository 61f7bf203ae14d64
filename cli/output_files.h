// Where images go: numbered files that never replace another.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "easel/image/image.h"

namespace easel::cli {

class OutputFolder {
 public:
  // Creates the folder. Throws Error io_failure if nothing can be written there.
  explicit OutputFolder(std::filesystem::path folder);

  // As NNNNN-SEED.png with the next free number. parameters: the text for the file. Throws Error io_failure.
  std::filesystem::path save_image(const Image& image, uint64_t seed, const std::string& parameters) const;
  // As grid-NNNN.png.
  std::filesystem::path save_grid(const Image& grid, const std::string& parameters) const;

 private:
  std::filesystem::path folder_;
};

// To exactly this file, whose ending says the format; an older one is replaced.
void save_to(const std::filesystem::path& file, const Image& image, const std::string& parameters);
// Throws Error if that cannot work, before any work is done.
void require_writable_file(const std::filesystem::path& file);

}  // namespace easel::cli
