#include "server/jobs/stored_files.h"

#include <charconv>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/log.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/image/infotext.h"
#include "easel/image/metadata.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

template <typename T>
bool read_number(std::string_view text, T& out) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

std::optional<ImageFileName> parse_file_name(const fs::path& file) {
  const std::vector<std::string> parts = split(file.stem().string(), '-');
  ImageFileName name{};
  const bool fits = file.extension() == ".png" && parts.size() == 3 && read_number(parts[0], name.job) &&
                    read_number(parts[1], name.number) && read_number(parts[2], name.seed);
  if (!fits) return std::nullopt;
  return name;
}

StoredImage read_image(const fs::path& file, const ImageFileName& name) {
  const auto mapped = MappedFile::open(file);
  const Size size = decode_image(mapped->bytes(), file.string()).image.size();
  const auto parameters = generation_parameters(read_image_texts(mapped->bytes(), file.string())).value_or("");
  return {.job = name.job,
          .number = name.number,
          .seed = name.seed,
          .prompt = parse_infotext(parameters).prompt,
          .parameters = parameters,
          .width_px = size.width_px,
          .height_px = size.height_px,
          .file = file,
          .created = now()};
}

}  // namespace

std::string image_file_name(const ImageFileName& name) {
  return fmt::format("{:06}-{}-{}.png", name.job, name.number, name.seed);
}

std::vector<StoredImage> read_images_of(const fs::path& folder, JobId job) {
  std::vector<StoredImage> images;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const auto name = parse_file_name(entry.path());
    if (!name || name->job != job) continue;
    try {
      images.push_back(read_image(entry.path(), *name));
    } catch (const Error& error) {
      log::warn("{}", error.what());
    }
  }
  return images;
}

void remove_file(const fs::path& file) {
  std::error_code failure;
  fs::remove(file, failure);
  if (failure) log::warn("{}: cannot be deleted: {}", file.string(), failure.message());
}

}  // namespace easel::server
