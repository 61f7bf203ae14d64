#include "easel/backend/plugin.h"

#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "easel/base/error.h"
#include "easel/base/shared_library.h"
#include "easel/base/system.h"

namespace easel {
namespace {

constexpr const char* kFile = "libeasel_cuda.so";
constexpr const char* kFolderVariable = "EASEL_PLUGINS";
constexpr std::string_view kBuildCure = "build easel where the CUDA toolkit and cuDNN 9 are installed (docs/cuda.md)";

std::vector<std::filesystem::path> folders() {
  if (const char* const folder = std::getenv(kFolderVariable); folder != nullptr && *folder != '\0') return {folder};
  const std::filesystem::path program = executable_path().parent_path();
  return {program, program.parent_path() / "lib" / "easel"};
}

std::filesystem::path find_library() {
  std::string looked_in;
  for (const std::filesystem::path& folder : folders()) {
    if (std::error_code ignored; std::filesystem::exists(folder / kFile, ignored)) return folder / kFile;
    looked_in += (looked_in.empty() ? "" : " and in ") + folder.string();
  }
  throw Error(
      ErrorCode::device_failure,
      "CUDA devices need the library {}, looked for in {}; {}, or name its folder with the environment variable {}",
      kFile, looked_in, kBuildCure, kFolderVariable);
}

template <typename Function>
Function* find_function(const SharedLibrary& library, const std::filesystem::path& file, const char* name) {
  void* const address = library.find(name);
  if (address == nullptr) {
    throw Error(ErrorCode::device_failure, "{} has no function {}: it is no library of easel's devices; {}",
                file.string(), name, kBuildCure);
  }
  return reinterpret_cast<Function*>(address);
}

SharedLibrary load(const std::filesystem::path& file) {
  try {
    return SharedLibrary(file);
  } catch (const Error& reason) {
    throw Error(ErrorCode::device_failure,
                "the library of CUDA devices cannot be loaded: {}; install the NVIDIA driver and cuDNN 9, or {}",
                reason.what(), kBuildCure);
  }
}

}  // namespace

const DevicePlugin& cuda_plugin() {
  const std::filesystem::path file = find_library();
  const SharedLibrary library = load(file);
  const std::string_view found = find_function<const char*()>(library, file, "easel_plugin_interface")();
  if (found != EASEL_PLUGIN_INTERFACE) {
    throw Error(ErrorCode::device_failure, "{} was built for another easel: its interface is {}, expected {}; {}",
                file.string(), found, EASEL_PLUGIN_INTERFACE, kBuildCure);
  }
  return *find_function<const DevicePlugin*()>(library, file, "easel_plugin")();
}

}  // namespace easel
