#include "easel/pipeline/hires_upscaler.h"

#include <algorithm>
#include <array>

#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/pipeline/assets.h"

namespace easel {
namespace {

namespace fs = std::filesystem;

struct Plain {
  std::string_view name;
  std::string_view label;
  std::optional<ResizeFilter> filter;  // of the image; nothing: the latent is resized
};
constexpr std::array kPlain = {Plain{kLatentUpscaler, "Latent", std::nullopt},
                               Plain{kLanczosUpscaler, "Lanczos", ResizeFilter::lanczos},
                               Plain{kNearestUpscaler, "Nearest", ResizeFilter::nearest}};

const Plain* find_plain(std::string_view name) {
  const auto* const at = std::find_if(kPlain.begin(), kPlain.end(), [&](const Plain& it) { return it.name == name; });
  return at == kPlain.end() ? nullptr : at;
}

std::vector<fs::path> all_files(std::span<const fs::path> files) {
  std::vector<fs::path> all(files.begin(), files.end());
  for (const ModelFile& model : list_models()) all.push_back(model.path);
  return all;
}

// Ignoring case, with or without the ending.
std::optional<fs::path> find_file(const std::string& name, const std::vector<fs::path>& files) {
  const std::string wanted = lower_ascii(name);
  const auto is_it = [&](const fs::path& file) {
    return lower_ascii(file.stem().string()) == wanted || lower_ascii(file.filename().string()) == wanted;
  };
  const auto at = std::find_if(files.begin(), files.end(), is_it);
  return at == files.end() ? std::nullopt : std::optional(*at);
}

fs::path require_file(const std::string& name, std::span<const fs::path> given) {
  const std::vector<fs::path> files = all_files(given);
  if (auto file = find_file(name, files)) return *file;
  std::vector<std::string> known, folders;
  for (const Plain& plain : kPlain) known.emplace_back(plain.name);
  for (const fs::path& file : files) known.push_back(file.stem().string());
  for (const fs::path& folder : model_folders()) folders.push_back(folder.string());
  const auto nearest = nearest_name(name, known);
  throw Error(ErrorCode::not_found,
              "there is no hires upscaler '{}'{}; expected latent, lanczos, nearest, or the name of an ESRGAN network "
              "in {}",
              name, nearest ? fmt::format("; did you mean {}?", *nearest) : "", join_shortened(folders, 4));
}

bool covers(Size made, Size size) { return made.width_px >= size.width_px && made.height_px >= size.height_px; }

}  // namespace

std::string hires_upscaler_label(const Request& request) {
  const std::string name = request.hires_upscaler.value_or(std::string(kLatentUpscaler));
  const Plain* plain = find_plain(name);
  return plain != nullptr ? std::string(plain->label) : name;
}

std::optional<std::string> hires_upscaler_from_label(const std::string& label) {
  for (const Plain& plain : kPlain) {
    if (label == plain.label) return std::string(plain.name);
  }
  const auto file = find_file(label, all_files({}));
  return file ? std::optional(file->stem().string()) : std::nullopt;
}

HiresUpscaler::HiresUpscaler(const std::string& name, std::span<const fs::path> files) {
  if (const Plain* plain = find_plain(name)) {
    filter_ = plain->filter;
  } else {
    network_.emplace(Checkpoint::open(require_file(name, files)));
  }
}

Size HiresUpscaler::made_of(Size small, Size size) const {
  const int64_t scale = network_->network().config().scale();
  Size made = small;
  while (scale > 1 && !covers(made, size)) made = {made.width_px * scale, made.height_px * scale};
  return made;
}

// The last time, the network sees the largest image.
uint64_t HiresUpscaler::least_bytes(Size small, Size size, const PlanTarget& target) const {
  if (!network_) return 0;
  const Size made = made_of(small, size);
  if (made == small) return 0;
  const int64_t scale = network_->network().config().scale();
  return smallest_memory(*network_, {made.width_px / scale, made.height_px / scale}, target);
}

Image HiresUpscaler::operator()(const Image& small, Size size, UpscaleMemory memory, const Callbacks& callbacks) {
  if (!network_) return resize(small, size, filter_.value_or(ResizeFilter::lanczos));
  memory.limit_bytes = std::max(memory.limit_bytes, least_bytes(small.size(), size, memory.target));
  const Size made = made_of(small.size(), size);
  Image image = small;
  while (image.size() != made) {
    UpscaleRequest request{.factor = static_cast<double>(network_->network().config().scale()), .watermark = false};
    request.image = std::move(image);
    image = NetworkUpscale(*network_, memory, std::move(request), callbacks).run().image;
  }
  return resize(image, size, ResizeFilter::lanczos);
}

}  // namespace easel
