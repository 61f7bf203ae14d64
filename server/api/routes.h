// The program's own API, /api/v1: docs/http-api.md tells it to people, openapi.json to programs.
#pragma once

#include <functional>
#include <string>

#include "server/http/http_server.h"
#include "server/http/router.h"
#include "server/services.h"

namespace easel::server {

void add_job_routes(Router& router, const Services& services);
void add_gallery_routes(Router& router, const Services& services);
void add_catalogue_routes(Router& router, const Services& services);
void add_device_routes(Router& router, const Services& services);
void add_status_routes(Router& router, const Services& services, std::function<HttpCounts()> http_counts);

// {"error": {"code": "invalid_request", "message": "...", "field": "steps"}}
HttpResponse api_error(const Fault& fault);

// A path segment as an id. Throws HttpError 404 if it is none.
int64_t parse_id(const std::string& text);
// ?before=17&limit=50. Throws Error invalid_request.
Page parse_page(const HttpRequest& request);

// 429 with the time after which a place may be free.
HttpError queue_is_full();

}  // namespace easel::server
