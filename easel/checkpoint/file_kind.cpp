#include "easel/checkpoint/file_kind.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/checkpoint/gguf.h"
#include "easel/checkpoint/safetensors.h"

namespace easel {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kHeadBytes = 64 * 1024;  // looked at to tell what a file is
constexpr uint64_t kLengthBytes = 8;        // safetensors: the header's length

struct Magic {
  std::string_view bytes;
  std::string_view kind;
};
// Files that people hand in by mistake and that carry a signature.
constexpr std::array kForeign{
    Magic{"lmgg"sv, "a GGML file"},          Magic{"fmgg"sv, "a GGML file"},
    Magic{"tjgg"sv, "a GGML file"},          Magic{"\x89HDF\r\n"sv, "an HDF5 (Keras) file"},
    Magic{"\x93NUMPY"sv, "a NumPy array"},   Magic{"\x89PNG"sv, "a PNG image"},
    Magic{"\xFF\xD8\xFF"sv, "a JPEG image"}, Magic{"%PDF"sv, "a PDF document"},
};
constexpr std::array kArchives{
    Magic{"\x1F\x8B"sv, "a gzip archive"},
    Magic{"7z\xBC\xAF\x27\x1C"sv, "a 7z archive"},
    Magic{"Rar!"sv, "a RAR archive"},
    Magic{"\xFD"
          "7zXZ"sv,
          "an xz archive"},
    Magic{"\x28\xB5\x2F\xFD"sv, "a zstd archive"},
    Magic{"BZh"sv, "a bzip2 archive"},
};

std::string_view head_of(const Source& source) {
  const auto head = source.bytes.first(std::min<uint64_t>(source.bytes.size(), kHeadBytes));
  return {reinterpret_cast<const char*>(head.data()), head.size()};
}

// Protocol buffer of an ONNX model: ir_version, then producer_name or opset.
bool is_onnx(std::string_view head) {
  return head.size() > 16 && head[0] == 0x08 && head[1] > 0 && head[1] < 32 &&
         (head[2] == 0x12 || head[2] == 0x1A || head[2] == 0x3A) && head[kLengthBytes] != '{';
}

bool is_text(std::string_view head) {
  const std::string_view start = head.substr(0, 512);
  return is_utf8(start.substr(0, start.size() > 256 ? 256 : start.size())) &&
         std::none_of(start.begin(), start.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7F;
         });
}

// Throws if the file is text of some kind: what a failed download leaves behind.
void refuse_text(const Source& source, std::string_view head) {
  const std::string start = lower_ascii(trim(head.substr(0, 1024)));
  if (start.starts_with("version https://git-lfs")) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: is a git-LFS pointer, not the model itself; fetch the model with `git lfs pull` or download it "
                "from the web page",
                source.name);
  }
  if (start.starts_with("<")) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: is a web page, not a model: the download gave an error or login page; download it again in a "
                "browser where you are logged in",
                source.name);
  }
  if (start.starts_with("{") && is_text(head)) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: is JSON text ({}), not a model; if it is a server's error message, download the model again",
                source.name, in_quotes(head.substr(0, 60)));
  }
  if (source.bytes.size() > kLengthBytes && is_text(head)) {
    throw Error(ErrorCode::bad_checkpoint, "{}: is a text file, expected a .safetensors, .gguf or .ckpt model",
                source.name);
  }
}

void refuse_foreign(const Source& source, std::string_view head) {
  for (const Magic& magic : kForeign) {
    if (head.starts_with(magic.bytes)) {
      throw Error(ErrorCode::bad_checkpoint,
                  "{}: is {}; easel reads SD 1.x and 2.x checkpoints as .safetensors, .gguf or .ckpt", source.name,
                  magic.kind);
    }
  }
  for (const Magic& magic : kArchives) {
    if (head.starts_with(magic.bytes)) {
      throw Error(ErrorCode::bad_checkpoint, "{}: is {}; unpack it and give the .safetensors or .ckpt file inside",
                  source.name, magic.kind);
    }
  }
  if (head.size() > 262 && head.substr(257, 5) == "ustar") {
    throw Error(ErrorCode::bad_checkpoint, "{}: is a tar archive; unpack it and give the .safetensors or .ckpt inside",
                source.name);
  }
  if (is_onnx(head)) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: is an ONNX file; easel reads SD 1.x and 2.x checkpoints as .safetensors, .gguf or .ckpt",
                source.name);
  }
}

}  // namespace

CheckpointFormat checkpoint_format(const Source& source) {
  const std::string_view head = head_of(source);
  if (head.empty()) throw Error(ErrorCode::bad_checkpoint, "{}: is empty (0 bytes); download it again", source.name);
  uint64_t header_bytes = 0;
  if (head.size() >= kLengthBytes) std::memcpy(&header_bytes, head.data(), sizeof header_bytes);
  const bool has_brace = head.size() > kLengthBytes && head[kLengthBytes] == '{';
  if (head.starts_with(kGgufMagic)) return CheckpointFormat::gguf;
  if (has_brace && header_bytes <= kMaxHeaderBytes) return CheckpointFormat::safetensors;
  if (head.starts_with("PK\x03\x04"sv) || head.starts_with("PK\x05\x06"sv)) return CheckpointFormat::torch_zip;
  if (std::all_of(head.begin(), head.end(), [](char c) { return c == 0; })) {
    throw Error(ErrorCode::bad_checkpoint,
                "{}: begins with {} zero bytes: its space was reserved but the download never filled it; download it "
                "again",
                source.name, head.size());
  }
  refuse_foreign(source, head);
  refuse_text(source, head);
  if (head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return CheckpointFormat::torch_legacy;
  if (head.size() < kLengthBytes + 2) {
    throw Error(ErrorCode::bad_checkpoint, "{}: {} bytes are too few for a checkpoint; download it again", source.name,
                head.size());
  }
  if (has_brace) return CheckpointFormat::safetensors;  // whose reader says what is wrong with the length
  if (header_bytes < source.bytes.size()) {
    throw Error(
        ErrorCode::bad_checkpoint,
        "{}: is neither safetensors (its header should start with '{{' at byte 8) nor GGUF nor a PyTorch checkpoint",
        source.name);
  }
  throw Error(ErrorCode::bad_checkpoint,
              "{}: is not a checkpoint that easel knows; expected a .safetensors or .gguf file or a PyTorch .ckpt",
              source.name);
}

}  // namespace easel
