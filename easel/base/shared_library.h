// Libraries that are loaded while the program runs.
#pragma once

#include <filesystem>
#include <string>

namespace easel {

// Once opened, a library stays loaded until the program ends: what it made may live on.
class SharedLibrary {
 public:
  // Throws Error device_failure with the system's reason, which names the file.
  explicit SharedLibrary(const std::filesystem::path& file);

  // The address of a function or variable; nullptr if the library has none of this name.
  void* find(const std::string& name) const;

 private:
  void* handle_;
};

}  // namespace easel
