#include "easel/image/metadata.h"

#include <zlib.h>

#include <algorithm>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/image/containers.h"
#include "easel/image/exif.h"
#include "easel/image/text_encoding.h"

namespace easel {
namespace {

constexpr std::string_view kUserComment = "UserComment";

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Inflates a zlib stream, at most `limit_bytes` of it; nothing if it is damaged or longer.
std::optional<std::string> inflate_text(std::string_view deflated, size_t limit_bytes) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return std::nullopt;
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } const end{&stream};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(deflated.data()));
  stream.avail_in = static_cast<uInt>(deflated.size());
  std::string out;
  int status = Z_OK;
  while (status == Z_OK && out.size() <= limit_bytes) {
    constexpr size_t kStepBytes = 1 << 16;
    const size_t done = out.size();
    out.resize(done + kStepBytes);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
    stream.avail_out = kStepBytes;
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  if (status != Z_STREAM_END || out.size() > limit_bytes) return std::nullopt;
  return out;
}

// Takes what stands before the next NUL off `rest`, and the NUL; nothing if there is none.
std::optional<std::string_view> take_field(std::string_view& rest) {
  const size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return field;
}

// PNG (third edition), 11.3.3: keyword NUL, then
//   tEXt: text; zTXt: method, zlib stream; iTXt: compressed?, method, language NUL, translated keyword NUL, text.
std::optional<ImageText> parse_png_text(const Block& block, size_t limit_bytes) {
  std::string_view rest = text_of(block.bytes);
  const std::optional<std::string_view> keyword = take_field(rest);
  if (!keyword || !block.intact) return std::nullopt;
  ImageText out{utf8_from_latin1(*keyword), {}};
  const bool is_international = block.type == "iTXt";
  bool compressed = block.type == "zTXt";
  if (is_international) {
    if (rest.size() < 2) return std::nullopt;
    compressed = rest[0] == 1;
    rest.remove_prefix(1);
  }
  if (is_international || compressed) {
    if (rest.empty() || rest[0] != 0) return std::nullopt;  // deflate is the only method
    rest.remove_prefix(1);
  }
  if (is_international && (!take_field(rest) || !take_field(rest))) return std::nullopt;
  const std::optional<std::string> plain = compressed ? inflate_text(rest, limit_bytes) : std::string(rest);
  if (!plain || plain->size() > limit_bytes) return std::nullopt;
  out.text = is_international ? repaired_utf8(*plain) : utf8_from_latin1(*plain);
  return out;
}

void append_exif_texts(std::vector<ImageText>& texts, std::span<const std::byte> bytes) {
  Exif exif = parse_exif(bytes);
  if (!exif.user_comment.empty()) texts.push_back({std::string(kUserComment), std::move(exif.user_comment)});
  if (!exif.image_description.empty()) texts.push_back({"ImageDescription", std::move(exif.image_description)});
}

std::vector<Block> blocks_of(std::span<const std::byte> bytes, ImageFormat format) {
  switch (format) {
    case ImageFormat::png: return png_blocks(bytes);
    case ImageFormat::jpeg: return jpeg_blocks(bytes);
    default: return riff_blocks(bytes);
  }
}

bool holds_exif(const Block& block) {
  return (block.type == "eXIf" && block.intact) || block.type == "EXIF" ||
         (block.type == "APP1" && text_of(block.bytes).starts_with("Exif"));
}

}  // namespace

std::vector<ImageText> read_image_texts(std::span<const std::byte> bytes, std::string_view name) {
  const std::optional<ImageFormat> format = sniff_image_format(bytes);
  if (!format) throw Error(ErrorCode::bad_image, "{}: is no image that can be read, expected PNG, JPEG or WebP", name);
  std::vector<ImageText> texts;
  size_t room_bytes = kMaxTextBytes;
  for (const Block& block : blocks_of(bytes, *format)) {
    if (holds_exif(block)) {
      append_exif_texts(texts, block.bytes);
    } else if (block.type == "COM ") {
      const std::string_view comment = text_of(block.bytes);
      texts.push_back({"Comment", is_utf8(comment) ? std::string(comment) : utf8_from_latin1(comment)});
    } else if (block.type == "tEXt" || block.type == "zTXt" || block.type == "iTXt") {
      std::optional<ImageText> text = parse_png_text(block, room_bytes);
      if (!text) {
        throw Error(ErrorCode::bad_image, "{}: the {} chunk of {} bytes is damaged or holds more than {} of text", name,
                    block.type, block.bytes.size(), format_bytes(room_bytes));
      }
      room_bytes -= std::min(room_bytes, text->text.size());
      texts.push_back(std::move(*text));
    }
  }
  return texts;
}

std::optional<std::string> generation_parameters(std::span<const ImageText> texts) {
  for (const std::string_view keyword : {std::string_view("parameters"), kUserComment}) {
    const auto found =
        std::find_if(texts.begin(), texts.end(), [&](const ImageText& t) { return t.keyword == keyword; });
    if (found != texts.end()) return found->text;
  }
  return std::nullopt;
}

int read_orientation(std::span<const std::byte> bytes) {
  const std::optional<ImageFormat> format = sniff_image_format(bytes);
  if (!format) return 1;
  for (const Block& block : blocks_of(bytes, *format)) {
    if (holds_exif(block)) return parse_exif(block.bytes).orientation;
  }
  return 1;
}

}  // namespace easel
