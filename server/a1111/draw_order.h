// The bodies of txt2img and img2img as jobs.
#pragma once

#include <string>
#include <vector>

#include "server/a1111/settings.h"
#include "server/jobs/job.h"

namespace easel::server {

struct DrawOrder {
  JobOrder job = {};
  bool send_images = true;
  std::string parameters = {};             // the body without images, for the answer
  std::vector<std::string> warnings = {};  // of fields that cannot be honoured
};

// What is left out gets the model's defaults. Throw FieldError, Error invalid_request or bad_image.
DrawOrder parse_txt2img(const std::string& body, const A1111Settings& settings);
DrawOrder parse_img2img(const std::string& body, const A1111Settings& settings);

}  // namespace easel::server
