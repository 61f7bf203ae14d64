// The number by which people tell checkpoint files apart. Private to easel/pipeline.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace easel {

// The first ten hexadecimal digits of the file's SHA-256, as AUTOMATIC1111 writes them into images.
//
// A large file is hashed once: `cache` (a JSON file, made when needed) remembers its hash by path, size and time of
// change. A cache that cannot be read or written only costs time. `pulse` is called while hashing; it may throw to
// stop. Throws Error not_found or io_failure.
std::string model_hash(const std::filesystem::path& file, const std::optional<std::filesystem::path>& cache,
                       const std::function<void()>& pulse = {});

// All 64 digits of it, of any file.
std::string file_sha256(const std::filesystem::path& file, const std::optional<std::filesystem::path>& cache,
                        const std::function<void()>& pulse = {});

// "model-hashes.json" in $XDG_CACHE_HOME/easel, else in ~/.cache/easel; nothing if neither variable is set.
std::optional<std::filesystem::path> model_hash_cache();

}  // namespace easel
