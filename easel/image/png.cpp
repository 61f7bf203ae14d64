#include <png.h>

#include <array>
#include <csetjmp>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "easel/base/error.h"
#include "easel/image/formats.h"
#include "easel/image/text_encoding.h"

namespace easel {
namespace {

// libpng reports errors by longjmp. It lands in guarded(), and the frames that it skips (libpng's own, the callbacks
// below and `body`) hold nothing that has a destructor.
template <typename Body>
[[gnu::noinline]] bool guarded(png_structp png, const Body& body) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  body();
  return true;
}

struct Message {
  std::array<char, 200> text{};
};

void on_error(png_structp png, png_const_charp text) {
  auto* message = static_cast<Message*>(png_get_error_ptr(png));
  std::strncpy(message->text.data(), text, message->text.size() - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void read_from_span(png_structp png, png_bytep to, size_t count) {
  auto* rest = static_cast<std::span<const std::byte>*>(png_get_io_ptr(png));
  if (count > rest->size()) png_error(png, "the file ends too early");
  std::memcpy(to, rest->data(), count);
  *rest = rest->subspan(count);
}

class PngReader {
 public:
  PngReader(std::span<const std::byte> bytes, std::string_view name)
      : rest_(bytes), file_bytes_(bytes.size()), name_(name) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &message_, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      throw Error(ErrorCode::out_of_memory, "{}: no memory to read it", name);
    }
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Pixels read() {
    const Size size = open();
    require(guarded(png_, [this] { set_transforms(); }));
    const bool has_alpha = png_get_channels(png_, info_) == 4;
    if (!has_alpha) {
      Pixels pixels{Image(size.width_px, size.height_px), std::nullopt};
      read_rows(pixels.image.bytes(), size);
      return pixels;
    }
    std::vector<uint8_t> rgba(static_cast<size_t>(size.width_px * size.height_px * 4));
    read_rows(rgba, size);
    return split_alpha(rgba, size);
  }

  std::optional<GreyBytes> read_grey16() {
    const Size size = open();
    const bool is_grey = (png_get_color_type(png_, info_) & PNG_COLOR_MASK_COLOR) == 0;
    if (!is_grey || png_get_bit_depth(png_, info_) != 16) return std::nullopt;
    require(guarded(png_, [this] {
      png_set_strip_alpha(png_);
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    }));
    GreyBytes grey(size.width_px, size.height_px);
    read_rows(grey.bytes(), size);
    return grey;
  }

 private:
  Size open() {
    require(guarded(png_, [this] { read_header(); }));
    const Size size{png_get_image_width(png_, info_), png_get_image_height(png_, info_)};
    check_image_size(size, name_);
    check_plausible();
    return size;
  }

  void read_header() {
    png_set_read_fn(png_, &rest_, read_from_span);
    png_set_user_limits(png_, kMaxImageBytes / 4, kMaxImageBytes / 4);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);  // texts are read in metadata.cpp
    png_read_info(png_, info_);
  }

  // Deflate shrinks at most 1032-fold: a header that claims more pixels than that is found out before they are
  // allocated.
  void check_plausible() const {
    const uint64_t pixel_bytes = png_get_rowbytes(png_, info_) * uint64_t{png_get_image_height(png_, info_)};
    if (pixel_bytes / 1032 <= file_bytes_) return;
    throw Error(ErrorCode::bad_image, "{}: damaged PNG: {} bytes cannot hold {}x{} pixels; was the download cut short?",
                name_, file_bytes_, png_get_image_width(png_, info_), png_get_image_height(png_, info_));
  }

  void set_transforms() {
    png_set_expand(png_);    // palette, few bits and tRNS
    png_set_strip_16(png_);  // the high byte
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_bit_depth(png_, info_) != 8 || png_get_channels(png_, info_) < 3) png_error(png_, "unknown pixel type");
  }

  void read_rows(std::span<uint8_t> to, Size size) {
    std::vector<png_bytep> rows(static_cast<size_t>(size.height_px));
    const size_t row_bytes = to.size() / rows.size();
    EASEL_ASSERT(row_bytes == png_get_rowbytes(png_, info_));
    for (size_t y = 0; y < rows.size(); ++y) rows[y] = to.data() + y * row_bytes;
    require(guarded(png_, [this, data = rows.data()] {
      png_read_image(png_, data);
      png_read_end(png_, nullptr);
    }));
  }

  void require(bool succeeded) const {
    if (!succeeded) throw Error(ErrorCode::bad_image, "{}: damaged PNG: {}", name_, message_.text.data());
  }

  std::span<const std::byte> rest_;
  uint64_t file_bytes_;
  std::string_view name_;
  Message message_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

void write_to_vector(png_structp png, png_bytep from, size_t count) {
  auto* out = static_cast<std::vector<std::byte>*>(png_get_io_ptr(png));
  const auto* begin = reinterpret_cast<const std::byte*>(from);
  bool grown = true;
  try {
    out->insert(out->end(), begin, begin + count);
  } catch (const std::bad_alloc&) {
    grown = false;
  }
  if (!grown) png_error(png, "no memory");
}

class PngWriter {
 public:
  PngWriter() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &message_, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_write_struct(&png_, &info_);
      throw Error(ErrorCode::out_of_memory, "no memory to write a PNG");
    }
  }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }

  template <int kChannels>
  std::vector<std::byte> write(const Raster<kChannels>& image, int level, const std::string& parameters) {
    png_set_compression_level(png_, level);
    if (!parameters.empty()) prepare_text(parameters);
    size_ = image.size();
    colour_ = kChannels == Image::kChannels ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY;
    bit_depth_ = kChannels == GreyBytes::kChannels ? 16 : 8;
    std::vector<png_bytep> rows(static_cast<size_t>(size_.height_px));  // libpng only reads them
    for (size_t y = 0; y < rows.size(); ++y) {
      rows[y] = const_cast<png_bytep>(image.row(static_cast<int64_t>(y)).data());
    }
    if (!guarded(png_, [this, data = rows.data()] { write_all(data); })) {
      throw Error(ErrorCode::invalid_request, "a PNG of {}x{} pixels cannot be written: {}", size_.width_px,
                  size_.height_px, message_.text.data());
    }
    return std::move(out_);
  }

 private:
  void prepare_text(const std::string& parameters) {
    const std::optional<std::string> latin1 = latin1_from_utf8(parameters);
    characters_ = latin1 ? *latin1 : parameters;
    text_.compression = latin1 ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    text_.key = keyword_.data();
    text_.text = characters_.data();
    text_.text_length = latin1 ? characters_.size() : 0;
    text_.itxt_length = latin1 ? 0 : characters_.size();
    text_.lang = empty_.data();
    text_.lang_key = empty_.data();
  }

  void write_all(png_bytepp rows) {
    png_set_write_fn(png_, &out_, write_to_vector, nullptr);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(size_.width_px), static_cast<png_uint_32>(size_.height_px),
                 bit_depth_, colour_, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (text_.key != nullptr) png_set_text(png_, info_, &text_, 1);
    png_write_info(png_, info_);
    png_write_image(png_, rows);
    png_write_end(png_, nullptr);
  }

  Message message_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  Size size_;
  int colour_ = 0;
  int bit_depth_ = 8;
  png_text text_{};
  std::string keyword_ = "parameters";
  std::string empty_;
  std::string characters_;
  std::vector<std::byte> out_;
};

}  // namespace

Pixels decode_png(std::span<const std::byte> bytes, std::string_view name) { return PngReader(bytes, name).read(); }

std::optional<GreyBytes> decode_png_grey16(std::span<const std::byte> bytes, std::string_view name) {
  return PngReader(bytes, name).read_grey16();
}

std::vector<std::byte> encode_png(const Image& image, const EncodeOptions& options) {
  return PngWriter().write(image, options.png_level, options.parameters);
}

std::vector<std::byte> encode_png_grey(const Mask& mask) {
  return PngWriter().write(mask, EncodeOptions{}.png_level, "");
}

std::vector<std::byte> encode_png_grey16(const GreyBytes& grey) {
  return PngWriter().write(grey, EncodeOptions{}.png_level, "");
}

}  // namespace easel
