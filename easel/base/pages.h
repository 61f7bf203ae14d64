// Memory straight from the operating system, in whole pages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace easel {

// Zeroed memory, huge pages where the system grants them; nullptr if there is none. `bytes` > 0.
std::byte* map_pages(uint64_t bytes);
void unmap_pages(std::byte* address, uint64_t bytes);

}  // namespace easel
