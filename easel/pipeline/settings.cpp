#include "easel/pipeline/settings.h"

#include <algorithm>
#include <functional>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/image/metadata.h"
#include "easel/pipeline/hires_upscaler.h"
#include "easel/pipeline/numbers.h"
#include "easel/pipeline/request_names.h"

namespace easel {
namespace {

constexpr size_t kShownUnknown = 12;

bool for_all(Task) { return true; }
bool for_noise(Task task) { return task == Task::txt2img; }
bool for_images(Task task) { return task != Task::txt2img; }
bool for_masks(Task task) { return task == Task::inpaint; }

struct Reader {
  const char* key;
  bool (*applies)(Task task);
  // Returns false if the value is one that easel does not have.
  std::function<bool(ImageSettings&, const std::string&)> read;
};

template <typename T>
auto number_reader(std::optional<T> Request::*member) {
  return [member](ImageSettings& settings, const std::string& value) {
    settings.request.*member = require_number<T>(value);
    return true;
  };
}

auto text_reader(std::optional<std::string> ImageSettings::*member) {
  return [member](ImageSettings& settings, const std::string& value) {
    settings.*member = value;
    return true;
  };
}

auto name_reader(std::optional<std::string> Request::*member) {
  return [member](ImageSettings& settings, const std::string& value) {
    if (value != "Automatic") settings.request.*member = value;  // of a schedule: the sampler's own
    return true;
  };
}

template <typename Choice>
auto choice_reader(std::optional<Choice> Request::*member) {
  return [member](ImageSettings& settings, const std::string& value) {
    for (const auto& [choice, name] : ChoiceNames<Choice>::names) {
      if (name == lower_ascii(value)) settings.request.*member = choice;
    }
    return (settings.request.*member).has_value();
  };
}

auto flag_reader(bool Request::*member, const char* on) {
  return [member, on](ImageSettings& settings, const std::string& value) {
    settings.request.*member = value == on;
    return value == on;
  };
}

bool read_rng(ImageSettings& settings, const std::string& value) {
  const std::string name = lower_ascii(value);
  settings.request.rng = name == "nv" ? "gpu" : name;
  return true;
}

bool read_noise_order(ImageSettings& settings, const std::string& value) {
  settings.request.noise_order = parse_choice<NoiseOrder>(value);
  settings.warnings.emplace_back(
      "the image was drawn with --batch-noise compvis: it can be drawn again only if it was the first of its job");
  return true;
}

bool read_task(ImageSettings& settings, const std::string& value) {
  if (value != choice_name(settings.request.task)) {
    settings.warnings.push_back(fmt::format(
        "the image was drawn from another image, by 'easel {}'; without that one the result will differ", value));
  }
  return true;
}

// Of an initial image, or of the second pass over one drawn from noise.
bool read_strength(ImageSettings& settings, const std::string& value) {
  Request& request = settings.request;
  if (request.task == Task::txt2img && !request.hires_scale) return false;
  (request.task == Task::txt2img ? request.hires_strength : request.strength) = require_number<double>(value);
  return true;
}

// A network that this machine does not have is left out.
bool read_hires_upscaler(ImageSettings& settings, const std::string& value) {
  settings.request.hires_upscaler = hires_upscaler_from_label(value);
  return settings.request.hires_upscaler.has_value();
}

bool read_loras(ImageSettings& settings, const std::string& value) {
  for (const std::string& choice : split(value, ',')) settings.request.loras.push_back(parse_lora_choice(trim(choice)));
  return true;
}

bool nothing_to_set(ImageSettings&, const std::string&) { return true; }

// In the order in which they are read: whether there is a second pass comes before its strength.
const std::vector<Reader>& readers() {
  static const std::vector<Reader> all = {
      {"Steps", for_all, number_reader(&Request::steps)},
      {"Sampler", for_all, name_reader(&Request::sampler)},
      {"Schedule type", for_all, name_reader(&Request::schedule)},
      {"CFG scale", for_all, number_reader(&Request::guidance_scale)},
      {"Seed", for_all, number_reader(&Request::seed)},
      {"Size-1", for_all, number_reader(&Request::width_px)},
      {"Size-2", for_all, number_reader(&Request::height_px)},
      {"Eta", for_all, number_reader(&Request::eta)},
      {"Eta DDIM", for_all, number_reader(&Request::eta)},
      {"RNG", for_all, read_rng},
      {"Batch noise", for_all, read_noise_order},
      {"Plain prompt", for_all, flag_reader(&Request::plain_prompt, "True")},
      {"Clip skip", for_all, number_reader(&Request::clip_skip)},
      {"Tiling", for_all, flag_reader(&Request::tiling, "True")},
      {"Token merging ratio", for_all, number_reader(&Request::token_merging_ratio)},
      {"Cache interval", for_all, number_reader(&Request::cache_interval)},
      {"Cache branch", for_all, number_reader(&Request::cache_branch)},
      {"Variation seed", for_all, number_reader(&Request::variation_seed)},
      {"Variation seed strength", for_all, number_reader(&Request::variation_strength)},
      {"Hires upscale", for_noise, number_reader(&Request::hires_scale)},
      {"Hires upscaler", for_noise, read_hires_upscaler},
      {"Hires steps", for_noise, number_reader(&Request::hires_steps)},
      {"Denoising strength", for_all, read_strength},
      {"Strength mode", for_images, choice_reader(&Request::strength_mode)},
      {"Resize mode", for_images, choice_reader(&Request::resize_mode)},
      {"Image seed", for_images, number_reader(&Request::image_seed)},
      {"Mask blur", for_masks, number_reader(&Request::mask_blur_px)},
      {"Masked content", for_masks, choice_reader(&Request::mask_fill)},
      {"Inpaint area", for_masks, flag_reader(&Request::only_masked, "Only masked")},
      {"Masked area padding", for_masks, number_reader(&Request::mask_padding_px)},
      {"Loras", for_all, read_loras},
      {"Lora hashes", for_all, nothing_to_set},
      {"Task", for_all, read_task},
      {"Model", for_all, text_reader(&ImageSettings::model_name)},
      {"Model hash", for_all, text_reader(&ImageSettings::model_hash)},
      {"Version", for_all, nothing_to_set},  // of the program
  };
  return all;
}

// False if it is not a setting of easel, or none of the task.
bool read_field(ImageSettings& settings, const Reader& reader, const std::string& value) {
  if (!reader.applies(settings.request.task)) return false;
  try {
    return reader.read(settings, value);
  } catch (const Error& fault) {
    throw Error(fault.code(), "its setting {}: {}", reader.key, fault.what());
  }
}

}  // namespace

ImageSettings settings_from(const Infotext& text, Task task) {
  ImageSettings settings;
  settings.request.task = task;
  settings.request.prompt = text.prompt;
  settings.request.negative_prompt = text.negative_prompt;
  settings.request.rng = "gpu";
  std::vector<InfotextField> left_out = text.fields;
  for (const Reader& reader : readers()) {
    const auto value = text.find(reader.key);
    if (!value || !read_field(settings, reader, *value)) continue;
    std::erase_if(left_out, [&](const InfotextField& field) { return field.key == reader.key; });
  }
  if (left_out.empty()) return settings;
  std::vector<std::string> shown;
  for (const InfotextField& field : left_out) shown.push_back(fmt::format("{}: {}", field.key, field.value));
  settings.warnings.push_back(fmt::format("settings of the image that 'easel {}' does not have are left out: {}",
                                          choice_name(task), join_shortened(shown, kShownUnknown)));
  return settings;
}

ImageSettings load_settings(const std::string& file, Task task) {
  const std::vector<std::byte> bytes = read_file(file, kMaxImageFileBytes);
  const auto parameters = generation_parameters(read_image_texts(bytes, file));
  const Infotext text = parse_infotext(parameters.value_or(""));
  if (text.fields.empty()) {
    throw Error(ErrorCode::invalid_request,
                "{}: holds no settings of its making; expected an image as easel or AUTOMATIC1111 saved it (editing or "
                "uploading often takes them away)",
                file);
  }
  try {
    return settings_from(text, task);
  } catch (const Error& fault) {
    throw Error(fault.code(), "{}: {}", file, fault.what());
  }
}

std::optional<std::string> model_warning(const ImageSettings& settings, const ModelDescription& in_use) {
  const bool same_name = !settings.model_name || *settings.model_name == in_use.name;
  const bool same_hash = !settings.model_hash || *settings.model_hash == in_use.hash;
  // The same file may go by another name.
  if (settings.model_hash ? same_hash : same_name) return std::nullopt;
  return fmt::format("the image was made with the model {}{}, but {} ({}) is in use; the result will differ",
                     settings.model_name.value_or("of another file"),
                     settings.model_hash ? fmt::format(" ({})", *settings.model_hash) : "", in_use.name, in_use.hash);
}

}  // namespace easel
