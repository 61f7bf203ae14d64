#include <algorithm>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "easel/base/base64.h"
#include "easel/base/error.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/pipeline/request.h"
#include "easel/pipeline/request_names.h"
#include "easel/pipeline/upscale_request.h"

namespace easel {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(std::string_view key, const Json& value, std::string_view expected) {
  std::string found = value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  if (found.size() > 60) found = found.substr(0, 57) + "...";
  throw Error(ErrorCode::invalid_request, "request: \"{}\" is {}, expected {}", key, found, expected);
}

void read(std::string_view key, const Json& value, std::string& out) {
  if (!value.is_string()) refuse(key, value, "a string");
  out = value.get<std::string>();
}

void read(std::string_view key, const Json& value, bool& out) {
  if (!value.is_boolean()) refuse(key, value, "true or false");
  out = value.get<bool>();
}

void read(std::string_view key, const Json& value, uint64_t& out) {
  if (!value.is_number_unsigned()) refuse(key, value, "an integer from 0 to 18446744073709551615");
  out = value.get<uint64_t>();
}

void read(std::string_view key, const Json& value, int64_t& out) {
  const bool too_large = value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX};
  if (!value.is_number_integer() || too_large) refuse(key, value, "an integer");
  out = value.get<int64_t>();
}

void read(std::string_view key, const Json& value, double& out) {
  if (!value.is_number()) refuse(key, value, "a number");
  out = value.get<double>();
}

void read(std::string_view key, const Json& value, std::vector<std::string>& out) {
  if (!value.is_array()) refuse(key, value, "an array of strings");
  for (const Json& item : value) read(key, item, out.emplace_back());
}

// "name:0.8", or an object with a weight for each part.
void read(std::string_view key, const Json& value, LoraChoice& out) {
  if (value.is_string()) {
    out = parse_lora_choice(value.get<std::string>());
    return;
  }
  if (!value.is_object() || !value.contains("name")) {
    refuse(key, value, "LoRAs such as \"name:0.8\" or {\"name\": ..., \"weight\": 0.8, \"text_weight\": 0.5}");
  }
  if (const auto weight = value.find("weight"); weight != value.end()) {
    read("weight", *weight, out.unet_weight);
    out.text_encoder_weight = out.unet_weight;
  }
  for (const auto& [name, part] : value.items()) {
    if (name == "name") {
      read(name, part, out.name);
    } else if (name == "text_weight") {
      read(name, part, out.text_encoder_weight);
    } else if (name != "weight") {
      refuse(fmt::format("{}: {}", key, name), part, "name, weight and text_weight only");
    }
  }
}

void read(std::string_view key, const Json& value, std::vector<LoraChoice>& out) {
  if (!value.is_array()) refuse(key, value, "an array of LoRAs such as \"name:0.8\"");
  for (const Json& item : value) read(key, item, out.emplace_back());
}

// The bytes of an image file in base64, with or without the head of a data URL.
std::vector<std::byte> read_file(std::string_view key, const Json& value) {
  std::string text;
  read(key, value, text);
  const size_t comma = text.starts_with("data:") ? text.find(',') : std::string::npos;
  const auto bytes = from_base64(std::string_view(text).substr(comma == std::string::npos ? 0 : comma + 1));
  if (!bytes) refuse(key, value, "an image file in base64");
  return *bytes;
}

std::string name_of_image(std::string_view key) { return fmt::format("request: \"{}\"", key); }

void read(std::string_view key, const Json& value, Image& out) {
  out = decode_image(read_file(key, value), name_of_image(key)).image;
}
void read(std::string_view key, const Json& value, Mask& out) {
  out = grey_from(decode_image(read_file(key, value), name_of_image(key)).image);
}
void read(std::string_view key, const Json& value, Grey16& out) {
  out = decode_grey16(read_file(key, value), name_of_image(key));
}

template <typename Control, typename Visit>
void for_each_control_field(Control& control, const Visit& visit) {
  visit("model", control.model);
  visit("image", control.image);
  visit("preprocessor", control.preprocessor);
  visit("canny_low", control.canny_low);
  visit("canny_high", control.canny_high);
  visit("weight", control.weight);
  visit("start", control.start);
  visit("end", control.end);
}
void read(std::string_view key, const Json& value, std::vector<ControlChoice>& out);

template <typename Choice>
void read(std::string_view key, const Json& value, Choice& out) {
  std::string name;
  read(key, value, name);
  out = parse_choice<Choice>(name);
}

template <typename T>
void read(std::string_view key, const Json& value, std::optional<T>& out) {
  read(key, value, out.emplace());
}

template <typename T>
void write(Json& json, const char* key, const T& value) {
  if constexpr (std::is_enum_v<T>) {
    json[key] = choice_name(value);
  } else {
    json[key] = value;
  }
}
void write(Json& json, const char* key, const std::vector<ControlChoice>& value);
void write(Json& json, const char* key, const std::vector<LoraChoice>& value) {
  if (value.empty()) return;
  for (const LoraChoice& lora : value) json[key].push_back(to_text(lora));
}
void write(Json& json, const char* key, const Image& value) {
  if (!value.empty()) json[key] = to_base64(encode_image(value));
}
void write(Json& json, const char* key, const Grey16& value) { json[key] = to_base64(encode_grey16(value)); }
void write(Json& json, const char* key, const Mask& value) { json[key] = to_base64(encode_mask(value)); }
void write(Json& json, const char* key, const std::vector<std::string>& value) {
  if (!value.empty()) json[key] = value;
}
template <typename T>
void write(Json& json, const char* key, const std::optional<T>& value) {
  if (value) write(json, key, *value);
}

// What a request and an upscale request have in common: what diffusion takes.
template <typename AnyRequest, typename Visit>
void for_each_diffusion_field(AnyRequest& request, const Visit& visit) {
  visit("prompt", request.prompt);
  visit("negative_prompt", request.negative_prompt);
  visit("steps", request.steps);
  visit("cfg_scale", request.guidance_scale);
  visit("sampler", request.sampler);
  visit("schedule", request.schedule);
  visit("eta", request.eta);
  visit("seed", request.seed);
  visit("rng", request.rng);
  visit("image_seed", request.image_seed);
  visit("watermark", request.watermark);
  visit("watermark_text", request.watermark_text);
}

template <typename AnyRequest, typename Visit>
void for_each_image_field(AnyRequest& request, const Visit& visit) {
  visit("init_image", request.init_image);
  visit("mask", request.mask);
  visit("depth_map", request.depth_map);
  visit("resize_mode", request.resize_mode);
  visit("strength", request.strength);
  visit("strength_mode", request.strength_mode);
  visit("invert_mask", request.invert_mask);
  visit("mask_blur", request.mask_blur_px);
  visit("mask_fill", request.mask_fill);
  visit("only_masked", request.only_masked);
  visit("mask_padding", request.mask_padding_px);
  visit("margin_left", request.margins.left_px);
  visit("margin_top", request.margins.top_px);
  visit("margin_right", request.margins.right_px);
  visit("margin_bottom", request.margins.bottom_px);
  visit("composite", request.composite);
  visit("hires_scale", request.hires_scale);
  visit("hires_upscaler", request.hires_upscaler);
  visit("hires_steps", request.hires_steps);
  visit("hires_strength", request.hires_strength);
}

// Calls visit(key, member) for each value of a request.
template <typename AnyRequest, typename Visit>
requires std::is_same_v<std::remove_const_t<AnyRequest>, Request>
void for_each_field(AnyRequest& request, const Visit& visit) {
  visit("task", request.task);
  for_each_diffusion_field(request, visit);
  visit("prompts", request.prompts);
  visit("plain_prompt", request.plain_prompt);
  visit("clip_skip", request.clip_skip);
  visit("loras", request.loras);
  visit("controls", request.controls);
  visit("width", request.width_px);
  visit("height", request.height_px);
  visit("variation_seed", request.variation_seed);
  visit("variation_strength", request.variation_strength);
  visit("batch_noise", request.noise_order);
  visit("fixed_code", request.fixed_code);
  visit("batch_size", request.batch_size);
  visit("batch_count", request.batch_count);
  visit("tiling", request.tiling);
  visit("token_merging_ratio", request.token_merging_ratio);
  visit("cache_interval", request.cache_interval);
  visit("cache_branch", request.cache_branch);
  for_each_image_field(request, visit);
}

void read(std::string_view key, const Json& value, std::vector<ControlChoice>& out) {
  if (!value.is_array()) refuse(key, value, "an array of ControlNets such as {\"model\": ..., \"image\": ...}");
  for (const Json& item : value) {
    if (!item.is_object()) refuse(key, item, "an object such as {\"model\": ..., \"image\": ...}");
    ControlChoice& control = out.emplace_back();
    for (const auto& [name, part] : item.items()) {
      bool known = false;
      for_each_control_field(control, [&, &name = name, &part = part](const char* field, auto& member) {
        if (name != field) return;
        known = true;
        read(fmt::format("{}: {}", key, field), part, member);
      });
      if (!known) refuse(fmt::format("{}: {}", key, name), part, "no such key in a ControlNet");
    }
  }
}

void write(Json& json, const char* key, const std::vector<ControlChoice>& value) {
  for (const ControlChoice& control : value) {
    Json item = Json::object();
    for_each_control_field(control, [&](const char* field, const auto& member) { write(item, field, member); });
    json[key].push_back(std::move(item));
  }
}

template <typename AnyRequest, typename Visit>
requires std::is_same_v<std::remove_const_t<AnyRequest>, UpscaleRequest>
void for_each_field(AnyRequest& request, const Visit& visit) {
  visit("init_image", request.image);
  visit("factor", request.factor);
  visit("tile", request.tile_px);
  visit("overlap", request.overlap_px);
  visit("noise_level", request.noise_level);
  for_each_diffusion_field(request, visit);
}

template <typename AnyRequest>
[[noreturn]] void refuse_unknown_key(const std::string& key) {
  std::vector<std::string> known;
  const AnyRequest request;
  for_each_field(request, [&](const char* name, const auto&) { known.emplace_back(name); });
  const auto nearest = nearest_name(key, known);
  throw Error(
      ErrorCode::invalid_request, "request: unknown key \"{}\"; {}", key,
      nearest ? fmt::format("did you mean \"{}\"?", *nearest) : fmt::format("known are {}", fmt::join(known, ", ")));
}

// A key given twice would silently win over the first.
Json parse_strictly(std::string_view text) {
  std::vector<std::string> keys;
  const auto refuse_repeated = [&](int depth, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::key && depth == 1) {
      const auto key = value.get<std::string>();
      if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
        throw Error(ErrorCode::invalid_request, "request: the key \"{}\" is given twice", key);
      }
      keys.push_back(key);
    }
    return true;
  };
  try {
    return Json::parse(text, refuse_repeated);
  } catch (const Json::exception& fault) {
    throw Error(ErrorCode::invalid_request, "request: not valid JSON: {}", fault.what());
  }
}

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

template <typename AnyRequest>
AnyRequest read_request(const Json& json) {
  AnyRequest request;
  for (const auto& [key, value] : json.items()) {
    bool known = false;
    for_each_field(request, [&, &key = key, &value = value](const char* name, auto& member) {
      if (key != name) return;
      known = true;
      read(name, value, member);
    });
    if (!known) refuse_unknown_key<AnyRequest>(key);
  }
  return request;
}

}  // namespace

std::string to_json(const Request& request) {
  Json json = Json::object();
  for_each_field(request, [&](const char* key, const auto& value) { write(json, key, value); });
  return dumped(json);
}

std::string to_json(const UpscaleRequest& request) {
  Json json{{"task", kUpscaleTask}};
  for_each_field(request, [&](const char* key, const auto& value) { write(json, key, value); });
  return dumped(json);
}

Request parse_request(std::string_view text) {
  const Json json = parse_strictly(text);
  if (!json.is_object()) refuse("request", json, "an object");
  Request request = read_request<Request>(json);
  check(request);
  return request;
}

UpscaleRequest parse_upscale_request(std::string_view text) {
  Json json = parse_strictly(text);
  if (!json.is_object()) refuse("request", json, "an object");
  const auto task = json.find("task");
  if (task == json.end() || *task != kUpscaleTask) {
    refuse("task", task == json.end() ? Json() : *task, fmt::format("\"{}\"", kUpscaleTask));
  }
  json.erase(task);
  return read_request<UpscaleRequest>(json);
}

}  // namespace easel
