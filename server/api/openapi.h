// The description of /api/v1 for programs: server/api/openapi.json, which the build puts into the program.
#pragma once

#include <string_view>

namespace easel::server {

std::string_view openapi_document();

}  // namespace easel::server
