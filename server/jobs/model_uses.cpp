#include "server/jobs/model_uses.h"

namespace easel::server {

namespace fs = std::filesystem;

// The lock is held while a file is read: two that ask at once would read it twice.
ModelUse ModelUses::of(const fs::path& file) const {
  std::error_code ignored;
  const uintmax_t bytes = fs::file_size(file, ignored);
  const fs::file_time_type changed = fs::last_write_time(file, ignored);
  const std::lock_guard lock(mutex_);
  const auto at = known_.find(file);
  if (at != known_.end() && at->second.bytes == bytes && at->second.changed == changed) return at->second.use;
  return known_.insert_or_assign(file, Known{bytes, changed, use_of(file)}).first->second.use;
}

}  // namespace easel::server
