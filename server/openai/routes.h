// The images API of OpenAI, /v1, for its client libraries and the programs built on them.
#pragma once

#include "server/http/router.h"
#include "server/services.h"

namespace easel::server {

void add_openai_routes(Router& router, const Services& services);

}  // namespace easel::server
