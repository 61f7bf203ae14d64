#include "easel/pipeline/model_hash.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/log.h"
#include "easel/base/sha256.h"

namespace easel {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t kDigits = 10;
constexpr uint64_t kWorthRemembering = 100'000'000;  // bytes; fewer are hashed in no time
constexpr uint64_t kMaxCacheBytes = 1 << 20;
constexpr size_t kMaxEntries = 1000;
constexpr uint64_t kStepBytes = 4 << 20;

// What has to be the same for a remembered hash to be believed.
Json identity_of(const MappedFile& file) {
  std::error_code ignored;  // the file is open: only its time may be unknown, to some file systems
  return {{"bytes", file.size()}, {"changed", fs::last_write_time(file.name(), ignored).time_since_epoch().count()}};
}

// An empty object if there is none, or none that can be read.
Json read_cache(const fs::path& cache) {
  std::error_code ignored;
  if (!fs::exists(cache, ignored) || fs::file_size(cache, ignored) > kMaxCacheBytes) return Json::object();
  Json json = Json::parse(read_text_file(cache, kMaxCacheBytes), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json::object();
}

std::optional<std::string> remembered(const fs::path& cache, const std::string& path, const Json& identity) {
  const Json all = read_cache(cache);
  const auto entry = all.find(path);
  if (entry == all.end() || !entry->is_object() || entry->value("identity", Json()) != identity) return std::nullopt;
  const Json hash = entry->value("sha256", Json());
  if (!hash.is_string() || hash.get_ref<const std::string&>().size() < kDigits) return std::nullopt;
  return hash.get<std::string>();
}

void remember(const fs::path& cache, const std::string& path, const Json& identity, const std::string& hash) {
  require_writable_directory(cache.parent_path());
  const DirectoryLock lock(cache.parent_path());
  Json all = read_cache(cache);
  if (all.size() >= kMaxEntries) all = Json::object();
  all[path] = {{"identity", identity}, {"sha256", hash}};
  write_file_whole(cache, all.dump(1, ' ', false, Json::error_handler_t::replace));
}

// Of the bytes of the file, whose pages are given back on the way: a checkpoint may be larger than memory.
std::string hash_of(const MappedFile& file, const std::function<void()>& pulse) {
  Sha256 sha256;
  for (uint64_t at = 0; at < file.size(); at += kStepBytes) {
    const auto part = file.bytes().subspan(at, std::min(kStepBytes, file.size() - at));
    sha256.update(part);
    file.release_pages(part);
    if (pulse) pulse();
  }
  return sha256.finish_hex();
}

}  // namespace

std::string model_hash(const fs::path& path, const std::optional<fs::path>& cache, const std::function<void()>& pulse) {
  return file_sha256(path, cache, pulse).substr(0, kDigits);
}

std::string file_sha256(const fs::path& path, const std::optional<fs::path>& cache,
                        const std::function<void()>& pulse) {
  const auto file = MappedFile::open(path);
  if (!cache || file->size() < kWorthRemembering) return hash_of(*file, pulse);
  const std::string key = fs::absolute(path).lexically_normal().string();
  const Json identity = identity_of(*file);
  try {
    if (const auto hash = remembered(*cache, key, identity)) return *hash;
  } catch (const Error& fault) {
    log::debug("model hash: {}", fault.what());
  }
  const std::string hash = hash_of(*file, pulse);
  try {
    remember(*cache, key, identity, hash);
  } catch (const Error& fault) {
    log::debug("model hash: {}", fault.what());
  }
  return hash;
}

std::optional<fs::path> model_hash_cache() {
  const auto folder = [](const char* variable) -> std::optional<fs::path> {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return fs::path(value);
  };
  if (const auto cache = folder("XDG_CACHE_HOME")) return *cache / "easel" / "model-hashes.json";
  if (const auto home = folder("HOME")) return *home / ".cache" / "easel" / "model-hashes.json";
  return std::nullopt;
}

}  // namespace easel
