// What every reader of this folder takes and gives. Private to easel/checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "easel/tensor/parameter.h"

namespace easel {

inline constexpr size_t kMaxTensors = 100'000;          // a Stable Diffusion checkpoint has about a thousand
inline constexpr size_t kMaxMetadataEntries = 100'000;  // training tools write a few hundred

// A moving average of the UNet's weights that training keeps; images are made with the weights themselves.
inline constexpr std::string_view kEmaPrefix = "model_ema.";

// A file's bytes and whoever keeps them alive. Nothing in them is trusted.
struct Source {
  std::string name;  // for messages
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

struct Contents {
  std::vector<WeightData> tensors;  // in any order, names unique
  std::map<std::string, std::string> metadata;
  int64_t ema_tensor_count = 0;  // tensors already left out
};

// Text of an untrusted file for a message: in quotes, shortened, without control characters.
std::string in_quotes(std::string_view text);
// The same without quotes, at most `limit` characters: for what is shown to people.
std::string printable(std::string_view text, size_t limit);

}  // namespace easel
