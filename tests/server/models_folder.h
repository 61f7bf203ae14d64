// A models folder (pipeline/assets.h) with models of a test's choice, for as long as it lives.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <string>

#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {

class ModelsFolder {
 public:
  // files: below tests/golden/
  explicit ModelsFolder(std::initializer_list<const char*> files) {
    for (const char* file : files) add(golden_path(file), std::filesystem::path(file).filename());
    ::setenv("EASEL_MODELS", folder_.path().c_str(), 1);
  }
  ModelsFolder(const ModelsFolder&) = delete;
  ModelsFolder& operator=(const ModelsFolder&) = delete;
  ~ModelsFolder() { ::unsetenv("EASEL_MODELS"); }

  void add(const std::filesystem::path& file, const std::filesystem::path& name) const {
    std::filesystem::create_symlink(file, folder_ / name.string());
  }
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  TemporaryFolder folder_;
};

}  // namespace easel::testing
