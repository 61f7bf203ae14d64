// SHA-256 (FIPS 180-4).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace easel {

class Sha256 {
 public:
  Sha256();
  ~Sha256();

  void update(std::span<const std::byte> bytes);
  // Of all bytes so far, in lower-case hexadecimal digits; starts anew.
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace easel
