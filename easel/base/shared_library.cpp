#include "easel/base/shared_library.h"

#include <dlfcn.h>

#include "easel/base/error.h"

namespace easel {

SharedLibrary::SharedLibrary(const std::filesystem::path& file)
    : handle_(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ != nullptr) return;
  const char* const reason = ::dlerror();
  throw Error(ErrorCode::device_failure, "{}", reason != nullptr ? reason : file.c_str());
}

void* SharedLibrary::find(const std::string& name) const { return ::dlsym(handle_, name.c_str()); }

}  // namespace easel
