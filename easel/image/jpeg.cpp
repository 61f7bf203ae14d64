// jpeglib.h needs stdio.h before it.
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "easel/base/error.h"
#include "easel/image/exif.h"
#include "easel/image/formats.h"

namespace easel {
namespace {

constexpr int kMaxScans = 100;         // progressive files have about 10; each scan walks the whole image
constexpr int64_t kMaxSidePx = 65500;  // JPEG_MAX_DIMENSION
constexpr size_t kMaxMarkerBytes = 65533;
constexpr int kFullColourQuality = 90;  // from here chroma is not subsampled

// What libjpeg's callbacks reach: its own struct first, ours behind it.
struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf landing;
  std::array<char, JMSG_LENGTH_MAX> message;
};

[[noreturn]] void on_error(j_common_ptr cinfo) {
  auto* errors = reinterpret_cast<ErrorManager*>(cinfo->err);
  cinfo->err->format_message(cinfo, errors->message.data());
  std::longjmp(errors->landing, 1);
}

// libjpeg makes up the rest of a truncated file and only warns.
void on_message(j_common_ptr cinfo, int level) {
  if (level < 0 && cinfo->err->msg_code == JWRN_JPEG_EOF) on_error(cinfo);
}

void limit_scans(j_common_ptr cinfo) {
  if (reinterpret_cast<j_decompress_ptr>(cinfo)->input_scan_number <= kMaxScans) return;
  auto* errors = reinterpret_cast<ErrorManager*>(cinfo->err);
  std::snprintf(errors->message.data(), errors->message.size(), "more than %d scans", kMaxScans);
  std::longjmp(errors->landing, 1);
}

void set_up(ErrorManager& errors) {
  jpeg_std_error(&errors.base);
  errors.base.error_exit = on_error;
  errors.base.emit_message = on_message;
  errors.message.fill('\0');
}

// libjpeg reports errors by longjmp. It lands here, and the frames that it skips (libjpeg's own, the callbacks above
// and `body`) hold nothing that has a destructor.
template <typename Body>
[[gnu::noinline]] bool guarded(ErrorManager& errors, const Body& body) {
  if (setjmp(errors.landing) != 0) return false;
  body();
  return true;
}

// As Pillow: values are stored inverted, as Adobe does. r = k' - (255 - c') k' / 255 with c' and k' as stored.
void rgb_from_cmyk(std::span<const uint8_t> cmyk, std::span<uint8_t> rgb) {
  for (size_t i = 0, pixels = rgb.size() / 3; i < pixels; ++i) {
    const int k = cmyk[4 * i + 3];
    for (size_t c = 0; c < 3; ++c) {
      const int product = (255 - cmyk[4 * i + c]) * k + 128;
      rgb[3 * i + c] = static_cast<uint8_t>(k - ((product + (product >> 8)) >> 8));
    }
  }
}

class JpegReader {
 public:
  JpegReader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {
    set_up(errors_);
    cinfo_.err = &errors_.base;
    require(guarded(errors_, [this] { jpeg_create_decompress(&cinfo_); }));
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&cinfo_); }

  Image read() {
    require(guarded(errors_, [this] { read_header(); }));
    const Size size{cinfo_.image_width, cinfo_.image_height};
    check_image_size(size, name_);
    Image image(size.width_px, size.height_px);
    if (cinfo_.out_color_space == JCS_CMYK) {
      std::vector<uint8_t> cmyk(static_cast<size_t>(size.width_px * size.height_px * 4));
      read_rows(cmyk, size);
      rgb_from_cmyk(cmyk, image.bytes());
    } else {
      read_rows(image.bytes(), size);
    }
    return image;
  }

 private:
  void read_header() {
    jpeg_mem_src(&cinfo_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_read_header(&cinfo_, TRUE);
    progress_.progress_monitor = limit_scans;
    cinfo_.progress = &progress_;
    const bool four_inks = cinfo_.jpeg_color_space == JCS_CMYK || cinfo_.jpeg_color_space == JCS_YCCK;
    cinfo_.out_color_space = four_inks ? JCS_CMYK : JCS_RGB;
  }

  void read_rows(std::span<uint8_t> to, Size size) {
    const size_t row_bytes = to.size() / static_cast<size_t>(size.height_px);
    require(guarded(errors_, [this, data = to.data(), row_bytes] {
      jpeg_start_decompress(&cinfo_);
      while (cinfo_.output_scanline < cinfo_.output_height) {
        JSAMPROW row = data + cinfo_.output_scanline * row_bytes;
        jpeg_read_scanlines(&cinfo_, &row, 1);
      }
    }));
  }

  void require(bool succeeded) const {
    if (!succeeded) throw Error(ErrorCode::bad_image, "{}: damaged JPEG: {}", name_, errors_.message.data());
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  ErrorManager errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct cinfo_{};
};

class JpegWriter {
 public:
  JpegWriter() {
    set_up(errors_);
    cinfo_.err = &errors_.base;
    require(guarded(errors_, [this] { jpeg_create_compress(&cinfo_); }));
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;
  ~JpegWriter() {
    jpeg_destroy_compress(&cinfo_);
    std::free(out_);  // libjpeg allocates it with malloc
  }

  std::vector<std::byte> write(const Image& image, int quality, std::span<const std::byte> exif) {
    require(guarded(errors_, [&] { write_all(image, quality, exif); }));
    const auto* begin = reinterpret_cast<const std::byte*>(out_);
    return {begin, begin + out_bytes_};
  }

 private:
  void write_all(const Image& image, int quality, std::span<const std::byte> exif) {
    jpeg_mem_dest(&cinfo_, &out_, &out_bytes_);
    cinfo_.image_width = static_cast<JDIMENSION>(image.width_px());
    cinfo_.image_height = static_cast<JDIMENSION>(image.height_px());
    cinfo_.input_components = Image::kChannels;
    cinfo_.in_color_space = JCS_RGB;
    jpeg_set_defaults(&cinfo_);
    jpeg_set_quality(&cinfo_, quality, TRUE);
    cinfo_.optimize_coding = TRUE;
    if (quality >= kFullColourQuality) cinfo_.comp_info[0].h_samp_factor = cinfo_.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&cinfo_, TRUE);
    if (!exif.empty()) {
      jpeg_write_marker(&cinfo_, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()),
                        static_cast<unsigned>(exif.size()));
    }
    while (cinfo_.next_scanline < cinfo_.image_height) {
      auto* row = const_cast<JSAMPROW>(image.row(cinfo_.next_scanline).data());
      jpeg_write_scanlines(&cinfo_, &row, 1);
    }
    jpeg_finish_compress(&cinfo_);
  }

  void require(bool succeeded) const {
    if (!succeeded) throw Error(ErrorCode::out_of_memory, "a JPEG cannot be written: {}", errors_.message.data());
  }

  ErrorManager errors_{};
  jpeg_compress_struct cinfo_{};
  unsigned char* out_ = nullptr;
  unsigned long out_bytes_ = 0;  // NOLINT: the type of jpeg_mem_dest
};

}  // namespace

Pixels decode_jpeg(std::span<const std::byte> bytes, std::string_view name) {
  return {JpegReader(bytes, name).read(), std::nullopt};
}

std::vector<std::byte> encode_jpeg(const Image& image, const EncodeOptions& options) {
  if (std::max(image.width_px(), image.height_px()) > kMaxSidePx) {
    throw Error(ErrorCode::invalid_request, "JPEG holds at most {} pixels a side, the image has {}x{}; write a PNG",
                kMaxSidePx, image.width_px(), image.height_px());
  }
  std::vector<std::byte> marker;
  if (!options.parameters.empty()) {
    marker = exif_with_comment(options.parameters, ExifHeader::jpeg);
    if (marker.size() > kMaxMarkerBytes) {
      throw Error(ErrorCode::invalid_request,
                  "the parameters take {} bytes, a JPEG holds at most {}; write a PNG or shorten the prompt",
                  marker.size(), kMaxMarkerBytes);
    }
  }
  return JpegWriter().write(image, options.quality, marker);
}

}  // namespace easel
