// An ended job as A1111 answers txt2img: images in base64, and `info`, which is JSON within a string.
#pragma once

#include "server/a1111/draw_order.h"
#include "server/http/message.h"

namespace easel::server {

// A job that was interrupted by a client is answered with the images it had finished. Throws what made it fail.
HttpResponse draw_reply(const Job& job, const DrawOrder& order);

}  // namespace easel::server
