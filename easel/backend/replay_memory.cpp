#include "easel/backend/replay_memory.h"

#include "easel/backend/signature.h"
#include "easel/base/error.h"

namespace easel {
namespace {

enum Copy : uint64_t { kWrite = 1000, kCopy };

uint64_t rounded(uint64_t bytes) { return (bytes + 511) / 512 * 512; }

}  // namespace

void Trace::start(Mode mode, std::vector<uint64_t>& operations) {
  mode_ = mode;
  operations_ = &operations;
  position_ = 0;
  was_looked_at_ = false;
}

bool Trace::pass(uint64_t operation) {
  if (mode_ == Mode::recording) operations_->push_back(operation);
  if (mode_ != Mode::following) return true;
  if (is_complete() || (*operations_)[position_] != operation) throw ReplayMismatch();
  ++position_;
  return false;
}

void Trace::look() {
  if (mode_ != Mode::off && mode_ != Mode::watching) throw ReplayMismatch();
  was_looked_at_ = true;
}

std::byte* ReplayMemory::allocate(uint64_t bytes) {
  std::byte* const block = is_work() ? take_for_work(bytes) : take(bytes);
  if (in_operation_) allocated_by_operation_.insert(block);
  return block;
}

std::byte* ReplayMemory::take(uint64_t bytes) {
  try {
    return inner_->allocate(bytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::out_of_memory) throw;
  }
  give_back();
  return inner_->allocate(bytes);
}

// A block of that size or not much more, as long as there is one.
std::byte* ReplayMemory::take_for_work(uint64_t bytes) {
  uint64_t size = rounded(bytes);
  const auto found = free_.lower_bound({size, nullptr});
  std::byte* block = nullptr;
  if (found != free_.end() && found->first <= size + size / 4) {
    block = found->second;
    size = found->first;
    free_bytes_ -= size;
    free_.erase(found);
  } else {
    block = inner_->allocate(size);
  }
  used_.emplace(block, size);
  return block;
}

void ReplayMemory::release(std::byte* address, uint64_t bytes) {
  allocated_by_operation_.erase(address);
  if (kept_.erase(address) > 0) is_stale_ = true;
  if (const auto used = used_.find(address); used != used_.end()) {
    free_.emplace(used->second, address);
    free_bytes_ += used->second;
    used_.erase(used);
  } else if (const auto left = left_.find(address); left != left_.end()) {
    inner_->release(address, left->second);
    left_.erase(left);
  } else if (is_work()) {
    released_.emplace_back(address, bytes);
  } else {
    inner_->release(address, bytes);
  }
}

uint64_t ReplayMemory::bytes_in_use() const { return inner_->bytes_in_use() - free_bytes_; }

std::optional<uint64_t> ReplayMemory::available_bytes() const {
  const std::optional<uint64_t> available = inner_->available_bytes();
  return available ? std::optional(*available + free_bytes_) : std::nullopt;
}

void ReplayMemory::write(std::byte* to, std::span<const std::byte> host) {
  if (!is_of_work() || trace_.mode() == Trace::Mode::watching || host.empty()) return inner_->write(to, host);
  const uint64_t operation = Signature(kWrite).add(to).add(host.size()).value();
  if (trace_.pass(operation)) {
    uploads_->push_back(std::make_unique<Upload>(*inner_, host.size()));
    inner_->copy(uploads_->back()->address(), to, host.size());
  }
  (*uploads_)[next_upload_++]->set(host);
}

void ReplayMemory::read(const std::byte* from, std::span<std::byte> host) {
  if (is_of_work()) trace_.look();
  inner_->read(from, host);
}

std::function<void()> ReplayMemory::start_read(const std::byte* from, std::span<std::byte> host) {
  if (is_of_work()) trace_.look();
  return inner_->start_read(from, host);
}

void ReplayMemory::copy(const std::byte* from, std::byte* to, uint64_t bytes) {
  if (is_of_work() && !trace_.pass(Signature(kCopy).add(from).add(to).add(bytes).value())) return;
  inner_->copy(from, to, bytes);
}

void ReplayMemory::set_budget(std::optional<uint64_t> bytes) {
  give_back();
  inner_->set_budget(bytes);
}

void ReplayMemory::give_back() {
  EASEL_ASSERT(!is_work());
  if (forget_) forget_();
  is_stale_ = false;
  release_free();
  left_.merge(used_);
}

void ReplayMemory::release_free() {
  for (const auto& [size, block] : free_) inner_->release(block, size);
  free_.clear();
  free_bytes_ = 0;
}

ReplayMemory::Work::Work(ReplayMemory& memory, Trace::Mode mode, std::vector<uint64_t>& operations, Uploads& uploads)
    : memory_(memory) {
  memory_.trace_.start(mode, operations);
  memory_.uploads_ = &uploads;
  memory_.next_upload_ = 0;
}

ReplayMemory::Work::~Work() {
  memory_.trace_.stop();
  for (const auto& [address, bytes] : memory_.released_) memory_.inner_->release(address, bytes);
  memory_.released_.clear();
}

ReplayMemory::Operation::~Operation() {
  memory_.in_operation_ = false;
  memory_.kept_.merge(memory_.allocated_by_operation_);
}

}  // namespace easel
