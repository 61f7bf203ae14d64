#include <functional>
#include <nlohmann/json.hpp>

#include "easel/image/codec.h"
#include "easel/image/infotext.h"
#include "server/a1111/extras.h"
#include "server/a1111/routes.h"
#include "server/api/file_response.h"
#include "server/api/image_info.h"
#include "server/errors.h"
#include "server/http/image_text.h"
#include "server/sync_job.h"

namespace easel::server {
namespace {

using Json = nlohmann::ordered_json;

HttpResponse json_response(const Json& json) {
  return {.body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

// An image in base64, and the field it came in.
struct Upload {
  std::string field;
  std::string text;
};

// One image on its way: finished, or a job's.
struct Enlargement {
  Size original;
  std::string finished = {};  // base64
  std::optional<UpscaleRequest> request = {};
};

Enlargement begin(const Upload& upload, const ResizeOrder& order) {
  const Image image = decode_image(image_bytes_from_text(upload.field, upload.text), upload.field).image;
  Enlargement out{.original = image.size(), .request = model_request(image, order)};
  if (!out.request) out.finished = base64_image(resized(image, image.size(), order));
  return out;
}

std::vector<JobOrder> jobs_for(std::vector<Enlargement>& images, const ResizeOrder& order) {
  std::vector<JobOrder> jobs;
  for (Enlargement& image : images) {
    if (!image.request) continue;
    jobs.push_back({.request = std::move(*image.request),
                    .model = order.model->file,
                    .origin = Origin::a1111,
                    .keep_images = false});
    image.request.reset();  // its image is not needed for the answer
  }
  return jobs;
}

// The images in base64, in order; `jobs` are those of the images that are not finished yet.
std::vector<std::string> collect(const std::vector<Enlargement>& images, const std::vector<Job>& jobs,
                                 const ResizeOrder& order) {
  std::vector<std::string> out;
  auto job = jobs.begin();
  for (const Enlargement& image : images) {
    if (!image.finished.empty()) {
      out.push_back(image.finished);
      continue;
    }
    require_done(*job);
    const StoredImage& made = job->images.at(0);
    const bool fits = !order.size || !order.crop || *order.size == Size{made.width_px, made.height_px};
    out.push_back(fits ? read_base64(made.file)
                       : base64_image(resized(load_image(made.file).image, image.original, order)));
    ++job;
  }
  return out;
}

using Respond = std::function<HttpResponse(const std::vector<std::string>& images, const std::string& html_info)>;

void enlarge(const Services& services, const std::vector<Upload>& uploads, const ResizeOrder& order,
             const Answer& answer, const Respond& respond) {
  std::vector<Enlargement> images;
  for (const Upload& upload : uploads) images.push_back(begin(upload, order));
  const std::vector<JobOrder> jobs = jobs_for(images, order);
  const std::string info = fmt::format("{}", fmt::join(order.warnings, "; "));
  answer_with_jobs(services, jobs, answer, [images, order, info, respond](const std::vector<Job>& ended) {
    return respond(collect(images, ended, order), info);
  });
}

void enlarge_one(const Services& services, const HttpRequest& request, const Answer& answer) {
  Fields fields = Fields::parse(request.body);
  const std::vector<Upload> uploads = {{"image", fields.required_text("image")}};
  const ResizeOrder order = parse_resize(fields, services.models);
  enlarge(services, uploads, order, answer, [](const std::vector<std::string>& images, const std::string& info) {
    return json_response({{"html_info", info}, {"image", images.at(0)}});
  });
}

void enlarge_several(const Services& services, const HttpRequest& request, const Answer& answer) {
  Fields fields = Fields::parse(request.body);
  if (!fields.has("imageList")) {
    throw FieldError("imageList", "value_error.missing", "\"imageList\" is missing");
  }
  std::vector<Upload> uploads;
  for (Fields& entry : fields.objects("imageList")) {
    uploads.push_back({"imageList.data", entry.required_text("data")});
  }
  const ResizeOrder order = parse_resize(fields, services.models);
  enlarge(services, uploads, order, answer, [](const std::vector<std::string>& images, const std::string& info) {
    return json_response({{"html_info", info}, {"images", images}});
  });
}

HttpResponse png_info(const HttpRequest& request) {
  Fields fields = Fields::parse(request.body);
  const ImageInfo info = inspect_image(image_bytes_from_text("image", fields.required_text("image")));
  const std::string text = info.parameters.value_or("");
  Json parameters = Json::object();
  if (info.parameters) {
    const Infotext parsed = parse_infotext(text);
    parameters["Prompt"] = parsed.prompt;
    parameters["Negative prompt"] = parsed.negative_prompt;
    for (const InfotextField& field : parsed.fields) parameters[field.key] = field.value;
  }
  Json items = Json::object();
  if (info.parameters) items["parameters"] = text;
  return json_response({{"info", text}, {"items", std::move(items)}, {"parameters", std::move(parameters)}});
}

}  // namespace

void add_a1111_extras_routes(Router& router, const Services& services) {
  router.post("/sdapi/v1/png-info", png_info);
  router.post_async("/sdapi/v1/extra-single-image", [services](const HttpRequest& request, const Answer& answer) {
    enlarge_one(services, request, answer);
  });
  router.post_async("/sdapi/v1/extra-batch-images", [services](const HttpRequest& request, const Answer& answer) {
    enlarge_several(services, request, answer);
  });
}

}  // namespace easel::server
