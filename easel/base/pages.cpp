#include "easel/base/pages.h"

#include <sys/mman.h>

#include <limits>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace easel {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kHugePageBytes = 2 << 20;

// AddressSanitizer knows nothing of memory mapped here, and may take it for what its own heap had at that place before.
// So it is told, and a page behind each block that nobody may touch finds what runs over the end.
#ifdef __SANITIZE_ADDRESS__
constexpr uint64_t kGuardBytes = kPageBytes;

void allow(std::byte* address, uint64_t bytes) { ASAN_UNPOISON_MEMORY_REGION(address, bytes); }
void forbid(std::byte* address, uint64_t bytes) { ASAN_POISON_MEMORY_REGION(address, bytes); }
#else
constexpr uint64_t kGuardBytes = 0;

void allow(std::byte* /*address*/, uint64_t /*bytes*/) {}
void forbid(std::byte* /*address*/, uint64_t /*bytes*/) {}
#endif

uint64_t whole_pages(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

}  // namespace

std::byte* map_pages(uint64_t bytes) {
  if (bytes > std::numeric_limits<uint64_t>::max() - 2 * kPageBytes) return nullptr;
  const uint64_t mapped = whole_pages(bytes) + kGuardBytes;
  void* mapping = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  if (bytes >= kHugePageBytes) ::madvise(mapping, mapped, MADV_HUGEPAGE);  // a refusal only costs speed
  auto* const address = static_cast<std::byte*>(mapping);
  allow(address, mapped);
  if (kGuardBytes > 0) forbid(address + whole_pages(bytes), kGuardBytes);
  return address;
}

void unmap_pages(std::byte* address, uint64_t bytes) {
  const uint64_t mapped = whole_pages(bytes) + kGuardBytes;
  allow(address, mapped);
  ::munmap(address, mapped);
}

}  // namespace easel
