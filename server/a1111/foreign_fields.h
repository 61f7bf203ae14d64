// The fields of A1111's requests that this program cannot honour.
#pragma once

#include <string>
#include <vector>

#include "server/json/fields.h"

namespace easel::server {

// Call after all others were read: names those that ask for something in `warnings`, and those that nobody knows.
void warn_of_foreign_fields(Fields& fields, std::vector<std::string>& warnings);

}  // namespace easel::server
