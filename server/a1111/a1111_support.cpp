// What the routes of the A1111 API share.
#include <nlohmann/json.hpp>

#include "easel/base/text.h"
#include "server/a1111/routes.h"

namespace easel::server {
namespace {

constexpr int kUnprocessable = 422;  // FastAPI's status for a request with a wrong value

}  // namespace

HttpResponse a1111_error(const Fault& fault) {
  using Json = nlohmann::ordered_json;
  Json body;
  const bool is_wrong_value = fault.field || fault.code == name_of(ErrorCode::invalid_request);
  if (is_wrong_value) {
    Json location = Json::array({"body"});
    if (fault.field) {
      for (const std::string& part : split(*fault.field, '.')) location.push_back(part);
    }
    body["detail"] = Json::array(
        {{{"loc", location}, {"msg", fault.message}, {"type", fault.kind.empty() ? "value_error" : fault.kind}}});
  } else {
    body["detail"] = fault.message;
  }
  return {.status = is_wrong_value ? kUnprocessable : fault.status,
          .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

void add_a1111_routes(Router& router, const Services& services) {
  router.set_error_shape("/sdapi", a1111_error);
  router.set_error_shape("/internal", a1111_error);
  const auto settings = std::make_shared<A1111Settings>(services.models);
  add_a1111_draw_routes(router, services, settings);
  add_a1111_progress_routes(router, services);
  add_a1111_list_routes(router, services, settings);
  add_a1111_settings_routes(router, services, settings);
  add_a1111_extras_routes(router, services);
}

}  // namespace easel::server
