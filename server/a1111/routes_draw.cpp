#include "server/a1111/draw_reply.h"
#include "server/a1111/routes.h"
#include "server/sync_job.h"

namespace easel::server {
namespace {

void answer_order(const Services& services, DrawOrder order, const Answer& answer) {
  const JobOrder job = std::move(order.job);
  order.job = {};  // its images are not needed for the answer
  answer_with_job(services, job, answer, [order](const Job& ended) { return draw_reply(ended, order); });
}

}  // namespace

void add_a1111_draw_routes(Router& router, const Services& services, const SharedSettings& settings) {
  router.post_async("/sdapi/v1/txt2img", [services, settings](const HttpRequest& request, const Answer& answer) {
    answer_order(services, parse_txt2img(request.body, *settings), answer);
  });
  router.post_async("/sdapi/v1/img2img", [services, settings](const HttpRequest& request, const Answer& answer) {
    answer_order(services, parse_img2img(request.body, *settings), answer);
  });
}

}  // namespace easel::server
