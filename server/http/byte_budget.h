// A number of bytes that many hold parts of.
#pragma once

#include <atomic>
#include <cstdint>

namespace easel::server {

class ByteBudget {
 public:
  explicit ByteBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  bool take(uint64_t bytes) {
    if (taken_bytes_.fetch_add(bytes) + bytes <= limit_bytes_) return true;
    taken_bytes_ -= bytes;
    return false;
  }
  void give_back(uint64_t bytes) { taken_bytes_ -= bytes; }

 private:
  const uint64_t limit_bytes_;
  std::atomic<uint64_t> taken_bytes_ = 0;
};

// A part that is given back at the end.
class ByteReservation {
 public:
  explicit ByteReservation(ByteBudget& budget) : budget_(budget) {}
  ByteReservation(const ByteReservation&) = delete;
  ByteReservation& operator=(const ByteReservation&) = delete;
  ~ByteReservation() { release(); }

  // In place of what is held; false if there is not so much.
  bool take(uint64_t bytes) {
    release();
    if (!budget_.take(bytes)) return false;
    bytes_ = bytes;
    return true;
  }
  void release() {
    budget_.give_back(bytes_);
    bytes_ = 0;
  }

 private:
  ByteBudget& budget_;
  uint64_t bytes_ = 0;
};

}  // namespace easel::server
