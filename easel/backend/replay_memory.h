// The allocator of a replaying card: memory for work that is recorded, and copies as part of it. For one thread.
// Private to easel/backend.
#pragma once

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "easel/backend/plugin.h"

namespace easel {

// Work turned out to be other work than what was recorded.
class ReplayMismatch : public std::exception {
 public:
  const char* what() const noexcept override { return "other work than what was recorded"; }
};

// What work consists of: a number for each operation and copy, in order.
class Trace {
 public:
  enum class Mode {
    off,
    watching,   // work is done as usual, in memory of its own
    recording,  // and noted down in `operations`
    following,  // compared with `operations`, and not done
  };

  Mode mode() const { return mode_; }
  void start(Mode mode, std::vector<uint64_t>& operations);
  void stop() { mode_ = Mode::off; }

  // The next operation: whether it is to be done. Throws ReplayMismatch.
  bool pass(uint64_t operation);
  // The host wants to see what was computed so far. Throws ReplayMismatch unless it is.
  void look();

  bool was_looked_at() const { return was_looked_at_; }
  bool is_complete() const { return position_ == operations_->size(); }

 private:
  Mode mode_ = Mode::off;
  std::vector<uint64_t>* operations_ = nullptr;
  size_t position_ = 0;
  bool was_looked_at_ = false;
};

class ReplayMemory : public Allocator {
 public:
  explicit ReplayMemory(std::unique_ptr<Allocator> inner) : inner_(std::move(inner)) {}
  ~ReplayMemory() override { release_free(); }

  std::byte* allocate(uint64_t bytes) override;
  void release(std::byte* address, uint64_t bytes) override;
  uint64_t bytes_in_use() const override;
  uint64_t peak_bytes() const override { return inner_->peak_bytes(); }
  std::optional<uint64_t> available_bytes() const override;
  bool is_host() const override { return false; }
  void write(std::byte* to, std::span<const std::byte> host) override;
  void read(const std::byte* from, std::span<std::byte> host) override;
  void copy(const std::byte* from, std::byte* to, uint64_t bytes) override;
  std::function<void()> start_read(const std::byte* from, std::span<std::byte> host) override;
  void set_budget(std::optional<uint64_t> bytes) override;

  // What the host writes during work: put where a recording fetches it from.
  class Upload {
   public:
    Upload(Allocator& memory, uint64_t bytes) : memory_(memory), bytes_(bytes), address_(memory.allocate(bytes)) {}
    ~Upload() { memory_.release(address_, bytes_); }
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;

    std::byte* address() const { return address_; }
    void set(std::span<const std::byte> values) { values_.assign(values.begin(), values.end()); }
    void send() const { memory_.write(address_, values_); }

   private:
    Allocator& memory_;
    uint64_t bytes_;
    std::byte* address_;
    std::vector<std::byte> values_;
  };
  using Uploads = std::vector<std::unique_ptr<Upload>>;

  // While it lives, this is work. `operations` and `uploads`: made when recording, used when following.
  class Work {
   public:
    Work(ReplayMemory& memory, Trace::Mode mode, std::vector<uint64_t>& operations, Uploads& uploads);
    ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

   private:
    ReplayMemory& memory_;
  };
  // While it lives, a backend does one operation: what that allocates and keeps it will look for again.
  class Operation {
   public:
    explicit Operation(ReplayMemory& memory) : memory_(memory) { memory_.in_operation_ = true; }
    ~Operation();
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

   private:
    ReplayMemory& memory_;
  };

  Trace& trace() { return trace_; }
  // Whether something is gone that a backend kept: nothing that was recorded may run any more.
  bool is_stale() const { return is_stale_; }
  // Called outside of work when its memory is wanted back, to forget what was recorded.
  void on_need(std::function<void()> forget) { forget_ = std::move(forget); }
  void give_back();  // calls that, then gives the memory for work back

 private:
  bool is_work() const { return trace_.mode() != Trace::Mode::off; }
  std::byte* take(uint64_t bytes);
  void release_free();
  std::byte* take_for_work(uint64_t bytes);
  // Whether an access is the work's own, and not of an operation of the backend.
  bool is_of_work() const { return is_work() && !in_operation_; }

  std::unique_ptr<Allocator> inner_;
  Trace trace_;
  std::function<void()> forget_;
  // The memory for work: blocks by size and then by address, so that the same work is given the same ones.
  std::set<std::pair<uint64_t, std::byte*>> free_;
  std::map<std::byte*, uint64_t> used_;  // block -> size
  std::map<std::byte*, uint64_t> left_;  // blocks that were in use when the others were given back
  uint64_t free_bytes_ = 0;
  std::vector<std::pair<std::byte*, uint64_t>> released_;  // by work, of other memory: when it is over
  bool in_operation_ = false;
  std::set<std::byte*> allocated_by_operation_;
  std::set<std::byte*> kept_;
  bool is_stale_ = false;
  Uploads* uploads_ = nullptr;
  size_t next_upload_ = 0;
};

}  // namespace easel
