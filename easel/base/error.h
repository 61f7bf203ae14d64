// Error: what the caller gave us (request, file, device) is wrong, or the machine cannot do what was asked.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace easel {

enum class ErrorCode {
  invalid_request,  // an option, a size, a prompt
  not_found,        // a file, a model, a name
  bad_checkpoint,   // malformed, incomplete or of a foreign family
  bad_image,        // malformed or unsupported image file
  bad_config,       // malformed configuration file
  out_of_memory,    // needs more memory than there is or than was allowed
  io_failure,       // reading or writing failed (permissions, full disk, ...)
  cancelled,        // the user stopped the job
  device_failure,   // a device or its library refused
};

// The message names the thing, what was found, what was expected and, where known, the cure.
class Error : public std::runtime_error {
 public:
  template <typename... Args>
  Error(ErrorCode code, fmt::format_string<Args...> message, Args&&... args)
      : std::runtime_error(fmt::format(message, std::forward<Args>(args)...)), code_(code) {}

  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// Ends the program with file, line and condition: for our own bugs only, never for input.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace easel

#define EASEL_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::easel::assertion_failed(#condition, __FILE__, __LINE__))
