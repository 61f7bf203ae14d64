// What the program tells the shell at its end. docs/cli.md lists the numbers.
#pragma once

#include "easel/base/error.h"

namespace easel::cli {

inline constexpr int kUsageStatus = 2;  // the command line cannot be read
inline constexpr int kInternalStatus = 70;

int exit_status(ErrorCode code);

}  // namespace easel::cli
