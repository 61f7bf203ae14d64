// The HTTP API of AUTOMATIC1111's web UI, /sdapi/v1 and /internal, for the clients written for it.
#pragma once

#include <memory>

#include "server/a1111/settings.h"
#include "server/http/router.h"
#include "server/services.h"

namespace easel::server {

void add_a1111_routes(Router& router, const Services& services);

// Parts of the above, by subject.
using SharedSettings = std::shared_ptr<A1111Settings>;
void add_a1111_draw_routes(Router& router, const Services& services, const SharedSettings& settings);
void add_a1111_progress_routes(Router& router, const Services& services);
void add_a1111_list_routes(Router& router, const Services& services, const SharedSettings& settings);
void add_a1111_settings_routes(Router& router, const Services& services, const SharedSettings& settings);
void add_a1111_extras_routes(Router& router, const Services& services);

// {"detail": ...} as FastAPI answers: for a wrong value a list of {loc, msg, type}.
HttpResponse a1111_error(const Fault& fault);

}  // namespace easel::server
