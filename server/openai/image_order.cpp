#include "server/openai/image_order.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>

#include "easel/image/masking.h"
#include "server/errors.h"

namespace easel::server {
namespace {

// What client libraries send when their user chose nothing.
bool is_model_of_openai(const std::string& name) {
  return name.starts_with("dall-e-") || name.starts_with("gpt-image-");
}

std::optional<int64_t> parse_side(std::string_view text) {
  int64_t side_px = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), side_px);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return side_px;
}

void read_size(Fields& fields, Request& request) {
  const auto size = fields.text("size");
  if (!size || *size == "auto") return;
  const size_t cross = std::min(size->find('x'), size->size());
  request.width_px = parse_side(std::string_view(*size).substr(0, cross));
  request.height_px = parse_side(std::string_view(*size).substr(std::min(cross + 1, size->size())));
  if (!request.width_px || !request.height_px) {
    throw FieldError("size", "value_error",
                     fmt::format("\"size\" is \"{}\", expected \"auto\" or such as \"512x512\"", *size));
  }
}

// Beyond OpenAI's fields, under the names of /api/v1.
void read_extensions(Fields& fields, Request& request) {
  if (auto negative = fields.text("negative_prompt")) request.negative_prompt = *negative;
  request.seed = fields.unsigned_integer("seed");
  request.steps = fields.integer("steps", {1, kMaxSteps});
  request.guidance_scale = fields.number("cfg_scale", {-kMaxGuidanceScale, kMaxGuidanceScale});
  request.sampler = fields.text("sampler");
  request.schedule = fields.text("schedule");
}

bool wants_url(Fields& fields) {
  const std::string format = fields.text("response_format").value_or("url");
  if (format == "url" || format == "b64_json") return format == "url";
  throw FieldError("response_format", "value_error",
                   fmt::format("\"response_format\" is \"{}\", expected \"url\" or \"b64_json\"", format));
}

EncodeOptions read_encoding(Fields& fields, bool as_url) {
  const std::string name = fields.text("output_format").value_or("png");
  EncodeOptions encoding;
  if (name == "jpeg") {
    encoding.format = ImageFormat::jpeg;
  } else if (name == "webp") {
    encoding.format = ImageFormat::webp;
  } else if (name != "png") {
    throw FieldError("output_format", "value_error",
                     fmt::format("\"output_format\" is \"{}\", expected png, jpeg or webp", name));
  }
  if (as_url && encoding.format != ImageFormat::png) {
    throw FieldError("output_format", "value_error",
                     "URLs lead to PNG files; ask for \"response_format\": \"b64_json\"");
  }
  const auto quality = fields.integer("output_compression", {0, 100});
  if (quality) encoding.quality = static_cast<int>(std::max<int64_t>(1, *quality));
  return encoding;
}

void refuse_streams(Fields& fields) {
  if (fields.flag("stream").value_or(false)) {
    throw FieldError("stream", "value_error",
                     "\"stream\" is not available; /api/v1/jobs/{id}/events tells the progress");
  }
}

Request& request_of(ImageOrder& order) { return std::get<Request>(order.job.request); }

// What all three have. check() is left to the caller, who may have images to add.
ImageOrder parse_common(Fields& fields, const ModelCatalog& models) {
  refuse_streams(fields);
  ImageOrder order{.wants_url = wants_url(fields)};
  order.encoding = read_encoding(fields, order.wants_url);
  Request& request = request_of(order);
  request.batch_count = fields.integer("n", {1, kMaxOpenAiImages}).value_or(1);
  read_size(fields, request);
  read_extensions(fields, request);
  const auto model = fields.text("model");
  const auto found = model ? models.find(*model) : std::nullopt;
  const bool is_open = !found && (!model || is_model_of_openai(*model));
  order.job.model = is_open ? models.default_model() : models.resolve(model);
  order.job.origin = Origin::openai;
  return order;
}

// Checks the request, and names what was not read.
ImageOrder finished(ImageOrder order, Fields& fields) {
  check(request_of(order));
  fields.text("user");  // for OpenAI's own records
  for (const std::string& key : fields.unread()) {
    order.warnings.push_back(fmt::format("\"{}\" has no meaning here and changed nothing", key));
  }
  return order;
}

// A form carries all values as text.
Fields fields_of(const Form& form) {
  constexpr std::array<std::string_view, 5> kNumbers = {"n", "seed", "steps", "cfg_scale", "output_compression"};
  nlohmann::json json = nlohmann::json::object();
  for (const FormPart& part : form) {
    if (part.is_file) continue;
    const bool is_number = std::find(kNumbers.begin(), kNumbers.end(), part.name) != kNumbers.end();
    const auto value = nlohmann::json::parse(part.content, nullptr, /*allow_exceptions=*/false);
    const bool is_plain = value.is_number() || value.is_boolean();
    json[part.name] = is_plain && (is_number || part.name == "stream") ? value : nlohmann::json(part.content);
  }
  return Fields::parse(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::optional<DecodedImage> find_image(const Form& form, const std::string& name) {
  std::optional<DecodedImage> found;
  for (const FormPart& part : form) {
    if (!part.is_file || (part.name != name && part.name != name + "[]")) continue;
    if (found)
      throw FieldError(name, "value_error", fmt::format("\"{}\" is given more than once; send one image", name));
    found = decode_image(std::as_bytes(std::span(part.content)), name);
  }
  return found;
}

DecodedImage require_image(const Form& form) {
  if (auto image = find_image(form, "image")) return std::move(*image);
  throw FieldError("image", "value_error.missing", "\"image\" is missing; send a PNG, JPEG or WebP file in the form");
}

bool is_transparent_somewhere(const std::optional<Mask>& alpha) {
  return alpha && std::any_of(alpha->bytes().begin(), alpha->bytes().end(), [](uint8_t value) { return value < 255; });
}

}  // namespace

ImageOrder parse_generation(Fields& fields, const ModelCatalog& models) {
  ImageOrder order = parse_common(fields, models);
  request_of(order).prompt = fields.required_text("prompt");
  return finished(std::move(order), fields);
}

ImageOrder parse_edit(const Form& form, const ModelCatalog& models) {
  Fields fields = fields_of(form);
  ImageOrder order = parse_common(fields, models);
  Request& request = request_of(order);
  request.prompt = fields.required_text("prompt");
  const DecodedImage image = require_image(form);
  const auto mask = find_image(form, "mask");
  if (mask && !is_transparent_somewhere(mask->alpha)) {
    throw FieldError("mask", "value_error", "\"mask\" is nowhere transparent; what is transparent is drawn anew");
  }
  const std::optional<Mask>& alpha = mask ? mask->alpha : image.alpha;
  request.task = is_transparent_somewhere(alpha) ? Task::inpaint : Task::img2img;
  if (request.task == Task::inpaint) request.mask = inverted(*alpha);
  request.init_image = image.image;
  return finished(std::move(order), fields);
}

ImageOrder parse_variation(const Form& form, const ModelCatalog& models) {
  Fields fields = fields_of(form);
  ImageOrder order = parse_common(fields, models);
  Request& request = request_of(order);
  request.prompt = fields.text("prompt").value_or("");
  request.task = Task::img2img;
  request.init_image = require_image(form).image;
  return finished(std::move(order), fields);
}

}  // namespace easel::server
