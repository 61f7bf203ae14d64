#include "tests/support/checkpoint_writer.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "easel/base/file.h"
#include "tests/support/golden.h"

namespace easel::testing {
namespace {

using namespace std::string_view_literals;

void append(Bytes& out, std::span<const std::byte> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
void append(Bytes& out, std::string_view text) { append(out, std::as_bytes(std::span(text))); }
template <typename T>
void append_number(Bytes& out, T value) {
  append(out, std::as_bytes(std::span(&value, 1)));
}

std::string_view storage_type(DType dtype) {
  switch (dtype) {
    case DType::f16: return "HalfStorage";
    case DType::bf16: return "BFloat16Storage";
    case DType::f32: return "FloatStorage";
    case DType::f64: return "DoubleStorage";
    case DType::i64: return "LongStorage";
    case DType::i32: return "IntStorage";
    case DType::i16: return "ShortStorage";
    case DType::i8: return "CharStorage";
    case DType::u8: return "ByteStorage";
    default: break;
  }
  EASEL_ASSERT(dtype == DType::boolean);
  return "BoolStorage";
}

std::vector<int64_t> row_major_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.dims().size());
  int64_t stride = 1;
  for (size_t i = strides.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape.dims()[i];
  }
  return strides;
}

Bytes state_dict_pickle(std::span<const WeightData> tensors, bool old) {
  PickleWriter pickle;
  pickle.raw("\x80\x02}(").text("state_dict").raw("}(");
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Shape& shape = tensors[i].shape;
    pickle.text(tensors[i].name)
        .tensor(storage_type(tensors[i].dtype), std::to_string(i), shape.count(), 0, shape.dims(),
                row_major_strides(shape), old);
  }
  return pickle.raw("uu").finish();
}

Bytes deflate(const Bytes& bytes) {
  Bytes out(compressBound(bytes.size()) + 16);
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

constexpr uint32_t kInZip64 = 0xFFFFFFFF;

// A local header with its data, and the directory's entry for it.
void add_zip_file(const ZipFile& file, bool zip64, Bytes& out, Bytes& directory) {
  const Bytes data = file.deflated ? deflate(file.bytes) : file.bytes;
  Bytes common;  // what the local header and the directory have in common
  append_number<uint16_t>(common, 20);
  append_number<uint16_t>(common, 0);
  append_number<uint16_t>(common, file.deflated ? 8 : 0);
  append_number<uint32_t>(common, 0);
  append_number(
      common, static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(file.bytes.data()), file.bytes.size())));
  append_number<uint32_t>(common, zip64 ? kInZip64 : static_cast<uint32_t>(data.size()));
  append_number<uint32_t>(common, zip64 ? kInZip64 : static_cast<uint32_t>(file.bytes.size()));
  append_number<uint16_t>(common, static_cast<uint16_t>(file.name.size()));
  Bytes extra;
  if (zip64) {
    append(extra, "\x99\x99\x02\0??"sv);  // a field of somebody else
    append(extra, "\x01\0\x18\0"sv);
    append_number<uint64_t>(extra, file.bytes.size());
    append_number<uint64_t>(extra, data.size());
    append_number<uint64_t>(extra, out.size());
  }
  append_number<uint16_t>(common, static_cast<uint16_t>(extra.size()));
  append(directory, "PK\x01\x02\x14\x00"sv);
  append(directory, common);
  append(directory, Bytes(2 + 2 + 2 + 4));
  append_number<uint32_t>(directory, zip64 ? kInZip64 : static_cast<uint32_t>(out.size()));
  append(directory, file.name);
  append(directory, extra);
  append(out, "PK\x03\x04"sv);
  append(out, common);
  append(out, file.name);
  append(out, extra);
  append(out, data);
}

void append_zip64_end(Bytes& out, uint64_t entries, uint64_t directory_begin, uint64_t directory_bytes) {
  const uint64_t end = out.size();
  append(out, "PK\x06\x06"sv);
  append_number<uint64_t>(out, 44);
  append(out, Bytes(2 + 2 + 4 + 4));
  append_number(out, entries);
  append_number(out, entries);
  append_number(out, directory_bytes);
  append_number(out, directory_begin);
  append(out, "PK\x06\x07\0\0\0\0"sv);
  append_number(out, end);
  append_number<uint32_t>(out, 1);
}

nlohmann::json header_json(const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  return header;
}

}  // namespace

Bytes to_bytes(std::string_view text) {
  Bytes out;
  append(out, text);
  return out;
}

std::shared_ptr<const Checkpoint> parse(const Bytes& file) {
  const auto copy = std::make_shared<const Bytes>(file);
  return Checkpoint::parse("model.bin", *copy, copy);
}

WeightData f32_tensor(std::string name, const Shape& shape, std::span<const float> values) {
  const auto copy = std::make_shared<const std::vector<float>>(values.begin(), values.end());
  EXPECT_EQ(static_cast<int64_t>(copy->size()), shape.count());
  return {.name = std::move(name),
          .shape = shape,
          .dtype = DType::f32,
          .bytes = std::as_bytes(std::span(*copy)),
          .owner = copy};
}

WeightData f32_tensor(std::string name, const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.count()));
  std::iota(values.begin(), values.end(), 0.0f);
  return f32_tensor(std::move(name), shape, values);
}

Bytes safetensors_bytes(std::span<const WeightData> tensors, const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = header_json(metadata);
  uint64_t offset = 0;
  for (const WeightData& tensor : tensors) {
    header[tensor.name] = {{"dtype", name_of(tensor.dtype)},
                           {"shape", std::vector<int64_t>(tensor.shape.dims().begin(), tensor.shape.dims().end())},
                           {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  Bytes out = safetensors_with_header(header.dump(), 0);
  out.reserve(out.size() + offset);
  for (const WeightData& tensor : tensors) append(out, tensor.bytes);
  return out;
}

void write_safetensors(const std::filesystem::path& path, std::span<const WeightData> tensors,
                       const std::map<std::string, std::string>& metadata) {
  write_file_whole(path, safetensors_bytes(tensors, metadata));
}

Bytes safetensors_with_header(std::string_view header, size_t data_bytes) {
  Bytes out;
  append_number<uint64_t>(out, header.size());
  append(out, header);
  out.resize(out.size() + data_bytes);
  return out;
}

void write_sparse_safetensors(const std::filesystem::path& path, const std::map<std::string, Shape>& shapes,
                              DType dtype) {
  nlohmann::json header = header_json({});
  uint64_t offset = 0;
  for (const auto& [name, shape] : shapes) {
    const uint64_t end = offset + static_cast<uint64_t>(shape.count() * size_of(dtype));
    header[name] = {{"dtype", name_of(dtype)},
                    {"shape", std::vector<int64_t>(shape.dims().begin(), shape.dims().end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  const Bytes start = safetensors_with_header(header.dump(), 0);
  write_file_whole(path, start);
  std::filesystem::resize_file(path, start.size() + offset);
}

Bytes zip_bytes(std::span<const ZipFile> files, bool zip64) {
  Bytes out;
  Bytes directory;
  for (const ZipFile& file : files) add_zip_file(file, zip64, out, directory);
  const uint64_t begin = out.size();
  append(out, directory);
  if (zip64) append_zip64_end(out, files.size(), begin, directory.size());
  append(out, "PK\x05\x06\0\0\0\0"sv);
  append_number<uint16_t>(out, static_cast<uint16_t>(files.size()));
  append_number<uint16_t>(out, static_cast<uint16_t>(files.size()));
  append_number<uint32_t>(out, static_cast<uint32_t>(directory.size()));
  append_number<uint32_t>(out, zip64 ? kInZip64 : static_cast<uint32_t>(begin));
  append_number<uint16_t>(out, 0);
  return out;
}

PickleWriter& PickleWriter::raw(std::string_view opcodes) {
  append(bytes_, opcodes);
  return *this;
}

PickleWriter& PickleWriter::text(std::string_view value) {
  append(bytes_, "X");
  append_number<uint32_t>(bytes_, static_cast<uint32_t>(value.size()));
  append(bytes_, value);
  return *this;
}

PickleWriter& PickleWriter::integer(int64_t value) {
  append(bytes_, "\x8a\x08");
  append_number(bytes_, value);
  return *this;
}

PickleWriter& PickleWriter::global(std::string_view module, std::string_view name) {
  return raw("c").raw(module).raw("\n").raw(name).raw("\n");
}

PickleWriter& PickleWriter::sizes(std::span<const int64_t> values) {
  raw("(");
  for (const int64_t value : values) integer(value);
  return raw("t");
}

PickleWriter& PickleWriter::tensor(std::string_view storage_type, std::string_view key, int64_t element_count,
                                   int64_t offset, std::span<const int64_t> sizes_, std::span<const int64_t> strides,
                                   bool old) {
  global("torch._utils", "_rebuild_tensor_v2").raw("((").text("storage").global("torch", storage_type).text(key);
  text("cpu").integer(element_count).raw(old ? "NtQ" : "tQ");
  integer(offset).sizes(sizes_).sizes(strides);
  return raw("\x89").global("collections", "OrderedDict").raw(")RtR");
}

Bytes PickleWriter::finish() {
  raw(".");
  return std::move(bytes_);
}

Bytes torch_zip_bytes(std::span<const WeightData> tensors, bool deflated) {
  std::vector<ZipFile> files{{"archive/data.pkl", state_dict_pickle(tensors, false), deflated}};
  for (size_t i = 0; i < tensors.size(); ++i) {
    files.push_back(
        {"archive/data/" + std::to_string(i), Bytes(tensors[i].bytes.begin(), tensors[i].bytes.end()), deflated});
  }
  files.push_back({"archive/version", to_bytes("3\n")});
  return zip_bytes(files);
}

Bytes torch_legacy_bytes(std::span<const WeightData> tensors) {
  Bytes out;
  append(out, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv);
  append(out, "\x80\x02M\xe9\x03."sv);
  append(out, PickleWriter().raw("\x80\x02}").text("little_endian").raw("\x88s").finish());
  append(out, state_dict_pickle(tensors, true));
  PickleWriter keys;
  keys.raw("\x80\x02](");
  for (size_t i = 0; i < tensors.size(); ++i) keys.text(std::to_string(i));
  append(out, keys.raw("e").finish());
  for (const WeightData& tensor : tensors) {
    append_number<int64_t>(out, tensor.shape.count());
    append(out, tensor.bytes);
  }
  return out;
}

Bytes torch_zip_with_pickle(Bytes pickle, Bytes storage) {
  const std::vector<ZipFile> files{{"archive/data.pkl", std::move(pickle)}, {"archive/data/0", std::move(storage)}};
  return zip_bytes(files);
}

std::filesystem::path assemble_sd2_depth_tiny(const std::filesystem::path& folder) {
  const auto unet = Checkpoint::open(golden_path("models/sd2-depth-tiny.safetensors"));
  const auto depth = Checkpoint::open(golden_path("models/sd2-depth-midas-tiny.safetensors"));
  const auto shared = Checkpoint::open(golden_path("models/sd2-tiny.safetensors"));
  std::vector<WeightData> tensors(unet->tensors().begin(), unet->tensors().end());
  tensors.insert(tensors.end(), depth->tensors().begin(), depth->tensors().end());
  for (const WeightData& tensor : shared->tensors()) {
    const bool is_shared =
        tensor.name.starts_with("first_stage_model.") || tensor.name.starts_with("cond_stage_model.");
    if (is_shared) tensors.push_back(tensor);
  }
  const auto path = folder / "sd2-depth-tiny.safetensors";
  write_safetensors(path, tensors);
  return path;
}

std::filesystem::path convert_sd1_tiny(const std::filesystem::path& directory) {
  const auto checkpoint = Checkpoint::open(golden_path("models/sd1-tiny.ckpt"));
  const auto path = directory / "sd1-tiny.safetensors";
  write_safetensors(path, checkpoint->tensors());
  return path;
}

std::map<std::string, Shape> full_structure(const std::string& name) {
  std::ifstream file(golden_path("checkpoints/" + name + ".json"));
  std::map<std::string, Shape> shapes;
  const nlohmann::json json = nlohmann::json::parse(file);
  for (const auto& [key, shape] : json.items()) {
    shapes.emplace(key, Shape(shape.get<std::vector<int64_t>>()));
  }
  return shapes;
}

std::shared_ptr<const Checkpoint> hollow_checkpoint(const std::map<std::string, Shape>& shapes) {
  std::vector<WeightData> tensors;
  for (const auto& [name, shape] : shapes) {
    tensors.push_back({.name = name, .shape = shape, .dtype = DType::f16, .bytes = {}, .owner = nullptr});
  }
  return Checkpoint::from_tensors("model.safetensors", std::move(tensors));
}

}  // namespace easel::testing
