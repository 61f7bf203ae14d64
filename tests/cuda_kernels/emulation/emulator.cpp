#include "tests/cuda_kernels/emulation/emulator.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "tests/cuda_kernels/emulation/cuda_runtime.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace easel::cuda {
constexpr size_t kMostShared = 99 << 10;  // what every card from 8.6 on has; 7.5 has less
constexpr size_t kGuard = 4 << 10;        // behind the block's shared memory
extern float4 shared_memory[];            // as the kernels declare it
alignas(128) float4 shared_memory[(kMostShared + kGuard) / sizeof(float4)];
}  // namespace easel::cuda

namespace cuda_emulation {
namespace {

constexpr unsigned kLanes = 32;
constexpr unsigned kMostThreads = 1024;
constexpr size_t kPlainShared = 48 << 10;
constexpr size_t kStackBytes = 32 << 10;
constexpr int kNan = 0xFF;  // shared memory before a block begins

enum class Waits { no, for_block, for_warp, no_more };

// Where a fiber or the scheduler goes on.
struct Place {
  ucontext_t context;
  jmp_buf jump;
  bool is_new = true;
  const void* stack = nullptr;  // its lowest address
  size_t stack_bytes = 0;
};

struct Fiber {
  Place place;
  std::unique_ptr<char[]> memory;  // of its stack
  Waits waits = Waits::no;
  unsigned line = 0;
  unsigned exchanges = 0;
};

// A jump is much quicker than swapcontext, which asks the kernel for signal masks, but sanitizers follow only the
// latter, if they are told of the stacks.
void go(Place& from, Place& to) {
#ifdef __SANITIZE_ADDRESS__
  void* frames = nullptr;
  __sanitizer_start_switch_fiber(&frames, to.stack, to.stack_bytes);
  swapcontext(&from.context, &to.context);
  __sanitizer_finish_switch_fiber(frames, nullptr, nullptr);
#else
  from.is_new = false;
  if (_setjmp(from.jump) != 0) return;
  if (!to.is_new) _longjmp(to.jump, 1);
  to.is_new = false;
  setcontext(&to.context);
#endif
}

// What a fiber does first; `from` is where it was begun.
void arrive([[maybe_unused]] Place& from) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &from.stack, &from.stack_bytes);
#endif
}

using Brought = std::array<uint64_t, 3>;

struct Emulator {
  std::deque<Fiber> fibers;  // contexts must stay where they are
  std::vector<unsigned> order;
  Place scheduler;
  unsigned current = 0;
  const std::function<void()>* thread = nullptr;
  // What threads bring to two exchanges: one reaches the second after this one only when all have read those of this
  // one.
  Brought brought[2][kMostThreads];
  std::map<const void*, size_t> allowed_shared;
  Order order_kind = Order::forward;
  bool failed = false;
};
Emulator emulator;

[[noreturn]] void report(const char* what, unsigned line) {
  std::fprintf(stderr, "kernel: %s (thread %u of block %u %u %u, line %u)\n", what, emulator.current, blockIdx.x,
               blockIdx.y, blockIdx.z, line);
  std::abort();
}

void wait(Waits waits, unsigned line) {
  Fiber& fiber = emulator.fibers[emulator.current];
  fiber.waits = waits;
  fiber.line = line;
  go(fiber.place, emulator.scheduler);
}

// A fiber is the thread of one block after the other.
void run_threads() {
  arrive(emulator.scheduler);
  while (true) {
    (*emulator.thread)();
    wait(Waits::no_more, 0);
  }
}

void prepare(unsigned threads) {
  while (emulator.fibers.size() < threads) {
    Fiber& fiber = emulator.fibers.emplace_back();
    fiber.memory = std::make_unique_for_overwrite<char[]>(kStackBytes);
    fiber.place.stack = fiber.memory.get();
    fiber.place.stack_bytes = kStackBytes;
    getcontext(&fiber.place.context);
    fiber.place.context.uc_stack.ss_sp = fiber.memory.get();
    fiber.place.context.uc_stack.ss_size = kStackBytes;
    fiber.place.context.uc_link = nullptr;
    makecontext(&fiber.place.context, run_threads, 0);
  }
  for (unsigned i = 0; i < threads; ++i) emulator.fibers[i].waits = Waits::no;
  emulator.order.resize(threads);
  std::iota(emulator.order.begin(), emulator.order.end(), 0u);
  if (emulator.order_kind == Order::backward) std::reverse(emulator.order.begin(), emulator.order.end());
}

// Lets threads [begin, end) go on if all of them wait, at one place. Whether they do.
bool release(unsigned begin, unsigned end, Waits waits) {
  for (unsigned i = begin; i < end; ++i) {
    if (emulator.fibers[i].waits != waits) return false;
  }
  for (unsigned i = begin; i < end; ++i) {
    if (emulator.fibers[i].line != emulator.fibers[begin].line) {
      emulator.current = i;
      report("threads wait for each other at different places", emulator.fibers[i].line);
    }
  }
  for (unsigned i = begin; i < end; ++i) emulator.fibers[i].waits = Waits::no;
  return true;
}

// Runs every thread until it waits or ends. Whether all have ended.
bool run_round(unsigned threads) {
  for (const unsigned i : emulator.order) {
    if (emulator.fibers[i].waits != Waits::no) continue;
    emulator.current = i;
    threadIdx = dim3(i, 0, 0);
    go(emulator.scheduler, emulator.fibers[i].place);
  }
  bool any = release(0, threads, Waits::for_block);
  for (unsigned first = 0; first < threads; first += kLanes) {
    any = release(first, std::min(first + kLanes, threads), Waits::for_warp) || any;
  }
  if (any) return false;
  for (unsigned i = 0; i < threads; ++i) {
    if (emulator.fibers[i].waits != Waits::no_more) {
      emulator.current = i;
      report("a thread waits for others that are elsewhere or have ended", emulator.fibers[i].line);
    }
  }
  return true;
}

void run_block(const Launch& launch) {
  auto* const shared = reinterpret_cast<unsigned char*>(easel::cuda::shared_memory);
  std::memset(shared, kNan, launch.shared_bytes + easel::cuda::kGuard);
  prepare(launch.block.x);
  while (!run_round(launch.block.x)) continue;
  const unsigned char* const guard = shared + launch.shared_bytes;
  if (!std::all_of(guard, guard + easel::cuda::kGuard, [](unsigned char byte) { return byte == kNan; })) {
    report("shared memory is written beyond its end", 0);
  }
}

// Waits until all lanes have brought something; what each of them brought.
const Brought* bring(const Brought& mine, unsigned line) {
  const unsigned thread = emulator.current;
  const unsigned first = thread / kLanes * kLanes;
  if (first + kLanes > blockDim.x) report("a shuffle of part of a warp", line);
  const unsigned buffer = emulator.fibers[thread].exchanges++ % 2;
  emulator.brought[buffer][thread] = mine;
  wait(Waits::for_warp, line);
  return emulator.brought[buffer] + first;
}

bool is_possible(const Launch& launch) {
  const auto shared = emulator.allowed_shared.find(launch.kernel);
  const size_t allowed = shared == emulator.allowed_shared.end() ? kPlainShared : shared->second;
  return launch.block.x > 0 && launch.block.x <= kMostThreads && launch.block.y == 1 && launch.block.z == 1 &&
         launch.grid.x > 0 && launch.grid.x <= 0x7FFFFFFF && launch.grid.y > 0 && launch.grid.y <= 65535 &&
         launch.grid.z > 0 && launch.grid.z <= 65535 && launch.shared_bytes <= allowed;
}

}  // namespace

bool run(const Launch& launch, const std::function<void()>& thread) {
  if (!is_possible(launch)) {
    emulator.failed = true;
    return false;
  }
  emulator.thread = &thread;
  gridDim = launch.grid;
  blockDim = launch.block;
  for (unsigned z = 0; z < launch.grid.z; ++z) {
    for (unsigned y = 0; y < launch.grid.y; ++y) {
      for (unsigned x = 0; x < launch.grid.x; ++x) {
        blockIdx = dim3(x, y, z);
        run_block(launch);
      }
    }
  }
  return true;
}

bool allow_shared(const void* kernel, int bytes) {
  if (bytes < 0 || static_cast<size_t>(bytes) > easel::cuda::kMostShared) {
    emulator.failed = true;
    return false;
  }
  emulator.allowed_shared[kernel] = static_cast<size_t>(bytes);
  return true;
}

bool take_failure() { return std::exchange(emulator.failed, false); }

void wait_for_block(unsigned line) { wait(Waits::for_block, line); }

uint64_t exchange(unsigned mask, uint64_t value, int lane_mask, unsigned line) {
  if (mask != 0xFFFFFFFFu) report("a shuffle of part of a warp", line);
  return bring({value}, line)[static_cast<unsigned>(lane_mask) ^ (emulator.current % kLanes)][0];
}

void multiply_add(float (&sums)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], float (*to_float)(uint16_t bits)) {
  Brought mine{};
  std::memcpy(mine.data(), a, sizeof a);
  std::memcpy(mine.data() + 2, b, sizeof b);
  const Brought* const lanes = bring(mine, 0);
  const auto element = [&](unsigned lane, unsigned index) {
    uint16_t bits;
    std::memcpy(&bits, reinterpret_cast<const char*>(lanes + lane) + index * sizeof bits, sizeof bits);
    return to_float(bits);
  };
  // Elements 0 to 7 that a lane brings are of a, 8 to 11 of b.
  const auto left = [&](unsigned row, unsigned k) {
    return element(row % 8 * 4 + k % 8 / 2, (row / 8 + k / 8 * 2) * 2 + k % 2);
  };
  const auto right = [&](unsigned k, unsigned column) {
    return element(column * 4 + k % 8 / 2, 8 + k / 8 * 2 + k % 2);
  };
  const unsigned lane = emulator.current % kLanes;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4 + i / 2 * 8;
    const unsigned column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 16; ++k) sums[i] += left(row, k) * right(k, column);
  }
}

void set_order(Order order) { emulator.order_kind = order; }

}  // namespace cuda_emulation
