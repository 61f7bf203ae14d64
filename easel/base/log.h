// Diagnostics on standard error. The library logs `debug` per stage, `info` per job, `warn` when a user could act.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

namespace easel::log {

enum class Level { debug, info, warn, error, off };

std::optional<Level> level_named(std::string_view name);  // "debug" ... "off"

// Messages below `level` are dropped. The default is Level::warn.
void set_level(Level level);
void write(Level level, std::string_view message);

template <typename... Args>
void debug(fmt::format_string<Args...> message, Args&&... args) {
  write(Level::debug, fmt::format(message, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> message, Args&&... args) {
  write(Level::info, fmt::format(message, std::forward<Args>(args)...));
}
template <typename... Args>
void warn(fmt::format_string<Args...> message, Args&&... args) {
  write(Level::warn, fmt::format(message, std::forward<Args>(args)...));
}

}  // namespace easel::log
