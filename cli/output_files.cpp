#include "cli/output_files.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/image/codec.h"

namespace easel::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kImageDigits = 5;
constexpr int kGridDigits = 4;

// The number after `prefix` in a file name such as 00012-42.png or grid-0003.png; -1 if there is none.
int64_t number_in(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return -1;
  int64_t number = -1;
  const char* begin = name.data() + prefix.size();
  const auto result = std::from_chars(begin, name.data() + name.size(), number);
  if (result.ec != std::errc() || number < 0) return -1;
  const bool ends = result.ptr != name.data() + name.size() && (*result.ptr == '-' || *result.ptr == '.');
  return ends ? number : -1;
}

// One more than the highest that is taken, so that names stay in the order of time.
int64_t next_number(const fs::path& folder, std::string_view prefix) {
  int64_t highest = -1;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    highest = std::max(highest, number_in(entry.path().filename().string(), prefix));
  }
  return highest + 1;
}

fs::path parent_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

std::string step_suffix(int64_t step) { return fmt::format("-step-{:03}", step); }

}  // namespace

OutputFolder::OutputFolder(fs::path folder) : folder_(std::move(folder)) { require_writable_directory(folder_); }

fs::path OutputFolder::save_image(const GeneratedImage& image, std::optional<int64_t> number) const {
  return save(image.image, image.parameters, "", kImageDigits, fmt::format("-{}.png", image.seed), number).file;
}

OutputFolder::Saved OutputFolder::save_intermediate(const GeneratedImage& image, int64_t step,
                                                    std::optional<int64_t> number) const {
  const std::string ending = fmt::format("-{}{}.png", image.seed, step_suffix(step));
  return save(image.image, image.parameters, "", kImageDigits, ending, number);
}

fs::path OutputFolder::save_grid(const Image& grid, const std::string& parameters) const {
  return save(grid, parameters, "grid-", kGridDigits, ".png", {}).file;
}

fs::path OutputFolder::save_plot(const Image& sheet, const std::string& parameters) const {
  return save(sheet, parameters, "plot-", kGridDigits, ".png", {}).file;
}

OutputFolder::Saved OutputFolder::save(const Image& image, const std::string& parameters, std::string_view prefix,
                                       int digits, const std::string& ending, std::optional<int64_t> number) const {
  const std::vector<std::byte> bytes = encode_image(image, {.parameters = parameters});
  const DirectoryLock lock(folder_);
  const int64_t taken = number ? *number : next_number(folder_, prefix);
  const fs::path file = folder_ / fmt::format("{}{:0{}}{}", prefix, taken, digits, ending);
  write_file_whole(file, bytes);
  return {.file = file, .number = taken};
}

fs::path intermediate_file(const fs::path& file, int64_t step) {
  return file.parent_path() / (file.stem().string() + step_suffix(step) + file.extension().string());
}

void save_to(const fs::path& file, const Image& image, const std::string& parameters) {
  save_image(file, image, {.format = image_format_for(file), .parameters = parameters});
}

void require_writable_file(const fs::path& file) {
  image_format_for(file);
  if (fs::is_directory(file)) {
    throw Error(ErrorCode::invalid_request, "{} is a directory; -o takes a file name such as bird.png", file.string());
  }
  require_writable_directory(parent_of(file));
}

}  // namespace easel::cli
