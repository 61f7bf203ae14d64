#include "easel/checkpoint/torch_file.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "easel/base/error.h"
#include "easel/checkpoint/byte_cursor.h"
#include "easel/checkpoint/pickle.h"
#include "easel/checkpoint/state_dict.h"
#include "easel/checkpoint/zip.h"

namespace easel {
namespace {

using namespace std::string_view_literals;
using Kind = PickleValue::Kind;

constexpr std::string_view kPickleName = "data.pkl";
constexpr std::string_view kMagicNumber = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;  // of the old stream
constexpr int64_t kStreamVersion = 1001;
constexpr uint64_t kUnpackAllowance = 256 << 20;
constexpr uint64_t kUnpackRatio = 16;  // weights hardly shrink; what shrinks more than this is a bomb

uint64_t storage_bytes(const Source& source, const StorageRef& storage) {
  const auto element = element_bytes(storage.type);
  uint64_t bytes = 0;
  if (!element || __builtin_mul_overflow(storage.element_count, *element, &bytes)) {
    throw Error(ErrorCode::bad_checkpoint, "{}: the storage {} has the type {}, which easel does not read", source.name,
                in_quotes(storage.key), in_quotes(storage.type));
  }
  return bytes;
}

// The folder in the zip that all of a torch.save() file lies in: "archive/".
std::string find_root(const Source& source, const ZipArchive& zip) {
  std::optional<std::string> root;
  for (const auto& [name, entry] : zip.entries()) {
    if (!name.ends_with(kPickleName)) continue;
    const std::string_view folder = name.substr(0, name.size() - kPickleName.size());
    if (!folder.empty() && folder.find('/') != folder.size() - 1) continue;
    if (root) throw Error(ErrorCode::bad_checkpoint, "{}: holds two checkpoints in one zip", source.name);
    root = std::string(folder);
  }
  if (root) return *root;
  const bool has_weights = std::any_of(zip.entries().begin(), zip.entries().end(), [](const auto& item) {
    return item.first.ends_with(".ckpt") || item.first.ends_with(".safetensors") || item.first.ends_with(".bin");
  });
  throw Error(ErrorCode::bad_checkpoint, "{}: is a zip archive but no PyTorch checkpoint: it has no data.pkl{}",
              source.name, has_weights ? "; unpack it and give the .safetensors or .ckpt file inside" : "");
}

class ZipStorages {
 public:
  ZipStorages(const Source& source, const ZipArchive& zip, std::string root)
      : source_(source),
        zip_(zip),
        root_(std::move(root)),
        unpack_budget_(kUnpackAllowance + kUnpackRatio * source.bytes.size()) {}

  StorageBytes find(const StorageRef& storage) {
    const std::string name = fmt::format("{}data/{}", root_, storage.key);
    const ZipEntry* entry = zip_.find(name);
    if (entry == nullptr) {
      throw Error(ErrorCode::bad_checkpoint, "{}: the storage {} is missing from the zip; was the file repacked?",
                  source_.name, in_quotes(name));
    }
    if (const uint64_t expected = storage_bytes(source_, storage); entry->bytes != expected) {
      throw Error(ErrorCode::bad_checkpoint, "{}: the storage {} has {} bytes, expected {}; the file is damaged",
                  source_.name, in_quotes(name), entry->bytes, expected);
    }
    return read(*entry);
  }

  // In place where it is stored, unpacked once where it is deflated.
  StorageBytes read(const ZipEntry& entry) {
    if (!entry.deflated) return {.bytes = zip_.stored_bytes(entry), .owner = source_.owner};
    if (const auto at = unpacked_.find(entry.name); at != unpacked_.end()) return at->second;
    const auto bytes = std::make_shared<std::vector<std::byte>>(zip_.inflate(entry, unpack_budget_));
    unpack_budget_ -= bytes->size();
    return unpacked_[entry.name] = {.bytes = *bytes, .owner = bytes};
  }

 private:
  const Source& source_;
  const ZipArchive& zip_;
  std::string root_;
  uint64_t unpack_budget_;
  std::unordered_map<std::string_view, StorageBytes> unpacked_;
};

void require_little_endian(const Source& source, ZipStorages& storages, const ZipEntry* entry) {
  if (entry == nullptr) return;
  const auto bytes = storages.read(*entry).bytes;
  const std::string_view order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!order.starts_with("little")) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: was saved on a big-endian machine ({}); save it again as .safetensors there", source.name,
                in_quotes(order));
  }
}

// Checks the three small pickles before the object; returns where that begins.
uint64_t read_preamble(const Source& source) {
  const uint64_t size = source.bytes.size();
  const Pickle magic = Pickle::read(source, 0, size);
  if (magic.root().kind != Kind::bytes || magic.root().text != kMagicNumber) {
    throw Error(ErrorCode::bad_checkpoint, "{}: is a Python pickle ({}) but no PyTorch checkpoint", source.name,
                magic.describe(magic.root()));
  }
  const Pickle version = Pickle::read(source, magic.end(), size);
  if (version.root().kind != Kind::integer || version.root().integer != kStreamVersion) {
    throw Error(ErrorCode::bad_checkpoint, "{}: has version {} of the old PyTorch format, expected {}", source.name,
                version.root().integer, kStreamVersion);
  }
  const Pickle system = Pickle::read(source, version.end(), size);
  const PickleValue* little_endian = system.find(system.root(), "little_endian");
  if (little_endian != nullptr && little_endian->integer == 0) {
    throw Error(ErrorCode::bad_checkpoint, "{}: was saved on a big-endian machine; save it again as .safetensors there",
                source.name);
  }
  return system.end();
}

using StorageTable = std::unordered_map<std::string_view, StorageBytes>;

// After the object: a list of keys, then for each key its element count and its bytes.
StorageTable read_storages(const Source& source, const Pickle& object) {
  std::unordered_map<std::string_view, StorageRef> wanted;
  for (const PickleValue& value : object.values()) {
    if (const auto storage = storage_ref(object, value)) wanted.emplace(storage->key, *storage);
  }
  const Pickle keys = Pickle::read(source, object.end(), source.bytes.size());
  if (keys.root().kind != Kind::list) {
    throw Error(ErrorCode::bad_checkpoint, "{}: has {} where the list of storages should be", source.name,
                keys.describe(keys.root()));
  }
  ByteCursor cursor(source, "the list of storages", keys.end(), source.bytes.size());
  StorageTable storages;
  for (const PickleId id : keys.root().items) {
    const auto at = wanted.find(keys[id].text);
    if (keys[id].kind != Kind::text || at == wanted.end() || storages.contains(at->first)) {
      throw Error(ErrorCode::bad_checkpoint, "{}: lists the storage {}, which is not used or was listed before",
                  source.name, in_quotes(keys[id].text));
    }
    if (const auto count = cursor.take<uint64_t>(); count != at->second.element_count) {
      throw Error(ErrorCode::bad_checkpoint, "{}: the storage {} has {} elements, expected {}; the file is damaged",
                  source.name, in_quotes(at->first), count, at->second.element_count);
    }
    storages[at->first] = {.bytes = cursor.take_bytes(storage_bytes(source, at->second)), .owner = source.owner};
  }
  return storages;
}

}  // namespace

Contents read_torch_zip(const Source& source) {
  const ZipArchive zip(source);
  const std::string root = find_root(source, zip);
  ZipStorages storages(source, zip, root);
  require_little_endian(source, storages, zip.find(root + "byteorder"));
  const ZipEntry& entry = *zip.find(root + std::string(kPickleName));
  if (entry.bytes > kMaxPickleBytes) {
    throw Error(ErrorCode::bad_checkpoint, "{}: its pickle has {} bytes, expected at most {}", source.name, entry.bytes,
                kMaxPickleBytes);
  }
  const StorageBytes text = storages.read(entry);
  const Source pickle_source{.name = source.name, .bytes = text.bytes, .owner = text.owner};
  const Pickle pickle = Pickle::read(pickle_source, 0, text.bytes.size());
  return read_state_dict(source, pickle, [&](const StorageRef& storage) { return storages.find(storage); });
}

Contents read_torch_legacy(const Source& source) {
  const Pickle object = Pickle::read(source, read_preamble(source), source.bytes.size());
  const StorageTable storages = read_storages(source, object);
  return read_state_dict(source, object, [&](const StorageRef& storage) {
    const auto at = storages.find(storage.key);
    if (at == storages.end()) {
      throw Error(ErrorCode::bad_checkpoint, "{}: the storage {} is missing; the file is damaged", source.name,
                  in_quotes(storage.key));
    }
    return at->second;
  });
}

}  // namespace easel
