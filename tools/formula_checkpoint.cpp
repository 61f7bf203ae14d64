// formula_checkpoint STRUCTURE.json OUT.safetensors [--add STRUCTURE.json]: writes a checkpoint of the given structures
// ({"name": [sizes]}) with the weights of tools/formula_weights.h. For benchmarks and comparisons at full size.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/text.h"
#include "easel/tensor/dtype.h"
#include "tools/formula_weights.h"

namespace easel {
namespace {

constexpr uint64_t kMaxStructureBytes = 16 << 20;
constexpr int64_t kChunkElements = 1 << 16;    // one thread's share at a time
constexpr int64_t kBufferElements = 64 << 16;  // written at once

struct Entry {
  std::string name;
  Shape shape;
};

std::vector<Entry> read_structure(const std::filesystem::path& path) try {
  std::vector<Entry> entries;
  const auto json = nlohmann::ordered_json::parse(read_text_file(path, kMaxStructureBytes));
  for (const auto& [name, sizes] : json.items()) {
    const auto dims = sizes.get<std::vector<int64_t>>();
    entries.push_back({name, Shape(dims)});
  }
  return entries;
} catch (const nlohmann::json::exception& failure) {
  throw Error(ErrorCode::bad_config, "{}: expected {{\"name\": [sizes], ...}}: {}", path.string(), failure.what());
}

std::vector<Entry> read_structures(const std::vector<std::filesystem::path>& paths) {
  std::vector<Entry> entries;
  std::set<std::string> names;
  for (const std::filesystem::path& path : paths) {
    for (Entry& entry : read_structure(path)) {
      if (!names.insert(entry.name).second) {
        throw Error(ErrorCode::bad_config, "{}: {} is there already", path.string(), entry.name);
      }
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

std::string safetensors_header(const std::vector<Entry>& entries, DType dtype) {
  nlohmann::ordered_json json;
  int64_t offset = 0;
  for (const auto& [name, shape] : entries) {
    const int64_t end = offset + shape.count() * size_of(dtype);
    json[name] = {{"dtype", name_of(dtype)}, {"shape", shape.dims()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string header = json.dump();
  header.resize((header.size() + 7) / 8 * 8, ' ');  // the data starts aligned
  return header;
}

template <typename T>
void write_tensor(std::ofstream& file, const Entry& entry, void (FormulaWeight::*fill)(int64_t, std::span<T>) const) {
  const FormulaWeight weight(entry.name, entry.shape);
  static std::vector<T> buffer(kBufferElements);
  for (int64_t begin = 0; begin < entry.shape.count(); begin += kBufferElements) {
    const int64_t count = std::min(kBufferElements, entry.shape.count() - begin);
#pragma omp parallel for schedule(static)
    for (int64_t chunk = 0; chunk < count; chunk += kChunkElements) {
      const int64_t length = std::min(kChunkElements, count - chunk);
      (weight.*fill)(begin + chunk, std::span(buffer).subspan(static_cast<size_t>(chunk), static_cast<size_t>(length)));
    }
    file.write(reinterpret_cast<const char*>(buffer.data()), count * static_cast<int64_t>(sizeof(T)));
  }
}

void write_checkpoint(const std::vector<Entry>& entries, const std::filesystem::path& out, DType dtype) {
  const std::string header = safetensors_header(entries, dtype);
  const std::filesystem::path part = out.string() + ".part";
  std::ofstream file(part, std::ios::binary);
  const uint64_t header_bytes = header.size();
  file.write(reinterpret_cast<const char*>(&header_bytes), sizeof header_bytes);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  for (const Entry& entry : entries) {
    if (dtype == DType::f16) {
      write_tensor<uint16_t>(file, entry, &FormulaWeight::fill_f16);
    } else {
      write_tensor<float>(file, entry, &FormulaWeight::fill);
    }
  }
  file.close();
  if (!file) {
    std::filesystem::remove(part);
    throw Error(ErrorCode::io_failure, "{}: cannot be written; is the disk full?", out.string());
  }
  std::filesystem::rename(part, out);
  fmt::print("{}: {} tensors, {}\n", out.string(), entries.size(), format_bytes(std::filesystem::file_size(out)));
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) try {
  CLI::App app("Writes a full-size checkpoint with weights from a formula");
  std::filesystem::path structure;
  std::vector<std::filesystem::path> more;
  std::filesystem::path out;
  std::string dtype = "f16";
  app.add_option("structure", structure, "JSON file with names and shapes")->required();
  app.add_option("out", out, "safetensors file to write")->required();
  app.add_option("--dtype", dtype, "f16 or f32")->check(CLI::IsMember({"f16", "f32"}));
  app.add_option("--add", more, "JSON file of another part, such as a depth network")->expected(1);
  CLI11_PARSE(app, argc, argv);
  std::vector<std::filesystem::path> structures = {structure};
  structures.insert(structures.end(), more.begin(), more.end());
  easel::write_checkpoint(easel::read_structures(structures), out,
                          dtype == "f16" ? easel::DType::f16 : easel::DType::f32);
  return 0;
} catch (const std::exception& failure) {
  fmt::print(stderr, "formula_checkpoint: {}\n", failure.what());
  return 1;
}
