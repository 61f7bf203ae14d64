// The fields of img2img that concern the initial image and the mask.
#pragma once

#include <string>
#include <vector>

#include "easel/pipeline/request.h"
#include "server/json/fields.h"

namespace easel::server {

// Sets the task too: inpainting if there is a mask. Throws FieldError, Error bad_image.
void read_image_fields(Fields& fields, Request& request, std::vector<std::string>& warnings);

}  // namespace easel::server
