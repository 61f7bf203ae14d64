#include <webp/decode.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <algorithm>
#include <memory>

#include "easel/base/error.h"
#include "easel/image/exif.h"
#include "easel/image/formats.h"

namespace easel {
namespace {

struct MuxDeleter {
  void operator()(WebPMux* mux) const { WebPMuxDelete(mux); }
};
using Mux = std::unique_ptr<WebPMux, MuxDeleter>;

// Memory that libwebp hands out.
struct WebPDeleter {
  void operator()(uint8_t* memory) const { WebPFree(memory); }
};
using Memory = std::unique_ptr<uint8_t, WebPDeleter>;

const uint8_t* data_of(std::span<const std::byte> bytes) { return reinterpret_cast<const uint8_t*>(bytes.data()); }

std::vector<std::byte> copy_of(const uint8_t* data, size_t count) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  return {begin, begin + count};
}

const char* reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return "no memory";
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the file ends too early";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "it uses an unknown feature";
    default: return "the data make no sense";
  }
}

void require(VP8StatusCode status, std::string_view name) {
  if (status != VP8_STATUS_OK) throw Error(ErrorCode::bad_image, "{}: damaged WebP: {}", name, reason(status));
}

// The image with an EXIF chunk, in the extended container.
std::vector<std::byte> with_exif(const uint8_t* image, size_t image_bytes, std::span<const std::byte> exif) {
  const WebPData image_data{image, image_bytes};
  const WebPData exif_data{data_of(exif), exif.size()};
  const Mux mux(WebPMuxNew());
  WebPData out{};
  const bool assembled = mux && WebPMuxSetImage(mux.get(), &image_data, 0) == WEBP_MUX_OK &&
                         WebPMuxSetChunk(mux.get(), "EXIF", &exif_data, 0) == WEBP_MUX_OK &&
                         WebPMuxAssemble(mux.get(), &out) == WEBP_MUX_OK;
  const Memory owner(const_cast<uint8_t*>(out.bytes));
  if (!assembled) throw Error(ErrorCode::out_of_memory, "no memory to write a WebP");
  return copy_of(out.bytes, out.size);
}

}  // namespace

Pixels decode_webp(std::span<const std::byte> bytes, std::string_view name) {
  WebPBitstreamFeatures features;
  require(WebPGetFeatures(data_of(bytes), bytes.size(), &features), name);
  if (features.has_animation != 0) {
    throw Error(ErrorCode::bad_image, "{}: is an animation, expected a still image; save one of its frames", name);
  }
  const Size size{features.width, features.height};
  check_image_size(size, name);
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0)
    throw Error(ErrorCode::bad_image, "{}: libwebp does not match its headers", name);
  const int channels = features.has_alpha != 0 ? 4 : 3;
  std::vector<uint8_t> pixels(static_cast<size_t>(size.width_px * size.height_px * channels));
  config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {pixels.data(), static_cast<int>(size.width_px) * channels, pixels.size()};
  require(WebPDecode(data_of(bytes), bytes.size(), &config), name);
  if (channels == 4) return split_alpha(pixels, size);
  Image image(size.width_px, size.height_px);
  std::copy(pixels.begin(), pixels.end(), image.bytes().begin());
  return {std::move(image), std::nullopt};
}

std::vector<std::byte> encode_webp(const Image& image, const EncodeOptions& options) {
  if (std::max(image.width_px(), image.height_px()) > WEBP_MAX_DIMENSION) {
    throw Error(ErrorCode::invalid_request, "WebP holds at most {} pixels a side, the image has {}x{}; write a PNG",
                WEBP_MAX_DIMENSION, image.width_px(), image.height_px());
  }
  const auto width_px = static_cast<int>(image.width_px());
  const auto height_px = static_cast<int>(image.height_px());
  const uint8_t* rgb = image.bytes().data();
  uint8_t* out = nullptr;
  const size_t out_bytes = options.lossless
                               ? WebPEncodeLosslessRGB(rgb, width_px, height_px, width_px * Image::kChannels, &out)
                               : WebPEncodeRGB(rgb, width_px, height_px, width_px * Image::kChannels,
                                               static_cast<float>(options.quality), &out);
  const Memory owner(out);
  if (out_bytes == 0) {
    throw Error(ErrorCode::out_of_memory, "no memory to write a WebP of {}x{} pixels", width_px, height_px);
  }
  if (options.parameters.empty()) return copy_of(out, out_bytes);
  return with_exif(out, out_bytes, exif_with_comment(options.parameters, ExifHeader::none));
}

}  // namespace easel
