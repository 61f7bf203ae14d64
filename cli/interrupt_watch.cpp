#include "cli/interrupt_watch.h"

#include <chrono>

#include "easel/base/system.h"

namespace easel::cli {
namespace {

constexpr std::chrono::milliseconds kInterval{20};

}  // namespace

InterruptWatch::InterruptWatch(CancelToken token)
    : thread_([token = std::move(token)](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          if (interrupted()) return token.cancel();
          std::this_thread::sleep_for(kInterval);
        }
      }) {}

}  // namespace easel::cli
