#include "easel/base/error.h"
#include "server/api/file_response.h"
#include "server/api/job_json.h"
#include "server/api/routes.h"

namespace easel::server {
namespace {

StoredImage require_image(const Services& services, const HttpRequest& request) {
  const int64_t id = parse_id(request.captures.at(0));
  if (auto image = services.store.find_image(id)) return *image;
  throw Error(ErrorCode::not_found, "there is no image {}; was it deleted?", id);
}

HttpResponse list(const Services& services, const HttpRequest& request) {
  const Page page = parse_page(request);
  const std::vector<StoredImage> images = services.store.list_images(page);
  const bool is_full = static_cast<int64_t>(images.size()) == page.limit;
  return {.body = images_json(images, is_full ? std::optional(images.back().id) : std::nullopt)};
}

HttpResponse remove(const Services& services, const HttpRequest& request) {
  services.store.remove_image(require_image(services, request).id);
  return {.status = 204, .content_type = ""};
}

}  // namespace

void add_gallery_routes(Router& router, const Services& services) {
  router.get("/api/v1/images", [services](const HttpRequest& request) { return list(services, request); });
  router.get("/api/v1/images/{id}", [services](const HttpRequest& request) -> HttpResponse {
    return {.body = image_json(require_image(services, request))};
  });
  router.get("/api/v1/images/{id}/file", [services](const HttpRequest& request) {
    return image_file_response(require_image(services, request).file);
  });
  router.remove("/api/v1/images/{id}", [services](const HttpRequest& request) { return remove(services, request); });
}

}  // namespace easel::server
