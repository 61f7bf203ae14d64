#include "server/jobs/inputs.h"

#include <nlohmann/json.hpp>

#include "easel/base/base64.h"
#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/text.h"
#include "easel/image/codec.h"
#include "easel/image/grey16.h"

namespace easel::server {
namespace {

constexpr const char* kInitImage = "init_image";
constexpr const char* kMask = "mask";
constexpr const char* kDepthMap = "depth_map";
constexpr std::string_view kControlImage = "control_image_";  // followed by the ControlNet's index

using Inputs = std::vector<DetachedRequest::Input>;

Inputs images_of(const Request& request) {
  Inputs inputs;
  if (request.init_image) inputs.push_back({kInitImage, encode_image(*request.init_image)});
  if (request.mask) inputs.push_back({kMask, encode_mask(*request.mask)});
  if (request.depth_map) inputs.push_back({kDepthMap, encode_grey16(*request.depth_map)});
  for (size_t i = 0; i < request.controls.size(); ++i) {
    const auto& image = request.controls[i].image;
    if (image) inputs.push_back({fmt::format("{}{}", kControlImage, i), encode_image(*image)});
  }
  return inputs;
}

Inputs images_of(const UpscaleRequest& request) { return {{kInitImage, encode_image(request.image)}}; }

}  // namespace

std::string json_without_images(JobRequest request) {
  return std::visit([](auto& any) { return to_json(without_images(std::move(any))); }, request);
}

DetachedRequest detach_images(JobRequest request) {
  DetachedRequest out;
  out.inputs = std::visit([](const auto& any) { return images_of(any); }, request);
  out.json = json_without_images(std::move(request));
  return out;
}

std::filesystem::path input_file(const std::filesystem::path& folder, JobId job, const std::string& name) {
  return folder / fmt::format("{:06}-{}.png", job, name);
}

JobRequest attach_images(const std::string& text, const std::filesystem::path& folder, JobId job,
                         const std::vector<std::string>& names) {
  auto json = nlohmann::json::parse(text);
  for (const std::string& name : names) {
    const std::string file = to_base64(MappedFile::open(input_file(folder, job, name))->bytes());
    if (name.starts_with(kControlImage)) {
      const auto index = parse_number<int64_t>(name.substr(kControlImage.size()));
      json.at("controls").at(static_cast<size_t>(index.value_or(-1)))["image"] = file;
    } else {
      json[name] = file;
    }
  }
  if (json.value("task", "") == kUpscaleTask) return parse_upscale_request(json.dump());
  return parse_request(json.dump());
}

}  // namespace easel::server
