// The tensors that a torch.save() pickle describes, as views of their storages.
#pragma once

#include <functional>
#include <optional>
#include <unordered_map>

#include "easel/checkpoint/contents.h"
#include "easel/checkpoint/pickle.h"

namespace easel {

// One storage as the pickle names it.
struct StorageRef {
  std::string_view key;
  std::string_view type;  // "HalfStorage"
  uint64_t element_count;
  uint64_t view_offset;  // elements; old files only: where this storage begins in the one named `key`
};

struct StorageBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};
using FindStorage = std::function<StorageBytes(const StorageRef& storage)>;

// Nothing if `value` does not have the form of a torch storage.
std::optional<StorageRef> storage_ref(const Pickle& pickle, const PickleValue& value);
// Bytes of one element of a storage type; nothing for types that are unknown here.
std::optional<uint64_t> element_bytes(std::string_view storage_type);

// The state dict is looked for under "state_dict", at the top, and one level below it. Values that are no tensors, or
// tensors of types that networks do not use, are skipped. Throws Error bad_checkpoint.
Contents read_state_dict(const Source& source, const Pickle& pickle, const FindStorage& find_storage);

}  // namespace easel
