#include "easel/tensor/allocator.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "easel/base/error.h"

namespace easel {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;

std::string error_of_allocating(Allocator& allocator, uint64_t bytes) {
  try {
    allocator.allocate(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    return error.what();
  }
  return {};
}

TEST(HostAllocator, BlocksAreAlignedAndUsableToTheEnd) {
  HostAllocator allocator;
  for (const uint64_t bytes : {0u, 1u, 63u, 4096u, 4097u, 100'000u, 3'000'001u}) {
    std::byte* block = allocator.allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0u);
    std::memset(block, 0xAB, bytes);
    allocator.release(block, bytes);
  }
}

TEST(HostAllocator, CountsBytesInUseAndTheirPeak) {
  HostAllocator allocator;
  std::byte* a = allocator.allocate(4 * kMebibyte);
  std::byte* b = allocator.allocate(2 * kMebibyte);
  EXPECT_EQ(allocator.bytes_in_use(), 6 * kMebibyte);
  allocator.release(a, 4 * kMebibyte);
  EXPECT_EQ(allocator.bytes_in_use(), 2 * kMebibyte);
  allocator.release(b, 2 * kMebibyte);
  EXPECT_EQ(allocator.bytes_in_use(), 0u);
  EXPECT_EQ(allocator.peak_bytes(), 6 * kMebibyte);
}

TEST(HostAllocator, RoundingWastesLittle) {
  HostAllocator allocator;
  for (uint64_t bytes = 64 << 10; bytes < 64 * kMebibyte; bytes = bytes * 5 / 4 + 1) {
    std::byte* block = allocator.allocate(bytes);
    EXPECT_GE(allocator.bytes_in_use(), bytes);
    EXPECT_LE(allocator.bytes_in_use(), bytes + bytes / 8 + 4096);
    allocator.release(block, bytes);
    allocator.trim();
  }
}

TEST(HostAllocator, AFreedBlockServesTheNextTensorOfThatSize) {
  HostAllocator allocator;
  std::byte* first = allocator.allocate(3 * kMebibyte);
  allocator.release(first, 3 * kMebibyte);
  EXPECT_EQ(allocator.allocate(3 * kMebibyte - 1000), first);
  EXPECT_NE(allocator.allocate(3 * kMebibyte), first);  // in use
}

TEST(HostAllocator, AMuchLargerBlockIsNotWastedOnASmallTensor) {
  HostAllocator allocator;
  std::byte* large = allocator.allocate(64 * kMebibyte);
  allocator.release(large, 64 * kMebibyte);
  std::byte* small = allocator.allocate(kMebibyte);
  EXPECT_NE(small, large);
  EXPECT_EQ(allocator.bytes_in_use(), kMebibyte);
  allocator.release(small, kMebibyte);
}

TEST(HostAllocator, TheLimitIsAnErrorWithACure) {
  HostAllocator allocator(8'000'000);
  std::byte* block = allocator.allocate(5'000'000);
  EXPECT_EQ(error_of_allocating(allocator, 4'000'000),
            "tensors need 4.2 MB more memory, 5.2 MB are in use and the limit is 8.0 MB; use a smaller size, a smaller "
            "batch or a higher --memory-limit");
  EXPECT_EQ(allocator.bytes_in_use(), 5'242'880u);  // the failure changed nothing
  allocator.release(block, 5'000'000);
  allocator.release(allocator.allocate(7'000'000), 7'000'000);  // cached blocks make room
}

TEST(HostAllocator, CachedBlocksCountAgainstTheLimit) {
  HostAllocator allocator(10 * kMebibyte);
  std::byte* a = allocator.allocate(4 * kMebibyte);
  std::byte* b = allocator.allocate(4 * kMebibyte);
  allocator.release(a, 4 * kMebibyte);
  std::byte* c = allocator.allocate(6 * kMebibyte);  // only fits once the cached 4 MiB are given back
  EXPECT_EQ(allocator.bytes_in_use(), 10 * kMebibyte);
  allocator.release(b, 4 * kMebibyte);
  allocator.release(c, 6 * kMebibyte);
}

TEST(HostAllocator, AbsurdSizesAreErrorsToo) {
  HostAllocator limited(kMebibyte);
  EXPECT_NE(error_of_allocating(limited, std::numeric_limits<uint64_t>::max()), "");
  HostAllocator unlimited;
  EXPECT_NE(error_of_allocating(unlimited, std::numeric_limits<uint64_t>::max()).find("the system refuses"),
            std::string::npos);
  EXPECT_NE(error_of_allocating(unlimited, uint64_t{1} << 62), "");
  EXPECT_EQ(unlimited.bytes_in_use(), 0u);
}

TEST(HostAllocator, ServesSeveralThreads) {
  HostAllocator allocator;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&allocator, t] {
      for (uint64_t i = 0; i < 500; ++i) {
        const uint64_t bytes = 1000 * (1 + (i * 7 + static_cast<uint64_t>(t)) % 50);
        std::byte* block = allocator.allocate(bytes);
        std::memset(block, t, bytes);
        for (uint64_t k = 0; k < bytes; k += 997) ASSERT_EQ(block[k], static_cast<std::byte>(t));
        allocator.release(block, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allocator.bytes_in_use(), 0u);
}

TEST(HostAllocatorDeathTest, AForeignBlockIsABug) {
  HostAllocator allocator;
  std::byte byte{};
  EXPECT_DEATH(allocator.release(&byte, 1), "internal error");
}

}  // namespace
}  // namespace easel
