#include "cli/exit_status.h"

namespace easel::cli {

int exit_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_request: return kUsageStatus;
    case ErrorCode::not_found: return 3;
    case ErrorCode::bad_checkpoint: return 4;
    case ErrorCode::bad_image: return 5;
    case ErrorCode::bad_config: return 6;
    case ErrorCode::out_of_memory: return 7;
    case ErrorCode::io_failure: return 8;
    case ErrorCode::device_failure: return 9;
    case ErrorCode::cancelled: return 130;  // as shells report a program that Ctrl-C ended
  }
  return kInternalStatus;
}

}  // namespace easel::cli
