#include "server/serve.h"

#include <cstdlib>

#include "easel/base/error.h"
#include "server/a1111/routes.h"
#include "server/api/routes.h"
#include "server/openai/routes.h"
#include "server/web_files.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kReplyPatience{2};

bool is_loopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

void require_credentials_beyond_this_machine(const ServeOptions& options) {
  if (is_loopback(options.http.address) || options.credentials.are_set()) return;
  throw Error(ErrorCode::invalid_request,
              "listening on {} lets everyone there use this machine; say --api-key KEY or --user NAME:PASSWORD too",
              options.http.address);
}

std::string url_of(const HttpOptions& options, uint16_t port) {
  const bool is_v6 = options.address.find(':') != std::string::npos;
  return fmt::format("http://{}:{}", is_v6 ? "[" + options.address + "]" : options.address, port);
}

}  // namespace

fs::path default_data_folder() {
  if (const char* folder = std::getenv("XDG_DATA_HOME"); folder != nullptr && *folder != '\0') {
    return fs::path(folder) / "easel" / "gallery";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return fs::path(home) / ".local" / "share" / "easel" / "gallery";
  }
  return "outputs/gallery";
}

// In the order in which they need each other.
struct Server::State {
  explicit State(const ServeOptions& options)
      : models(options.pipeline.checkpoint),
        web(options.web_folder),
        store(options.data_folder, options.max_input_bytes),
        queue(store, options.max_waiting_jobs),
        access(options.credentials, options.allowed_hosts),
        workers(queue, store, {.pipeline = options.pipeline, .unload_after = options.unload_after}) {
    add_routes();
    http.emplace(options.http, application());
    url = url_of(options.http, http->port());
  }

  void add_routes();
  HttpApplication application();
  HttpResponse fail(const std::string& path, const Fault& fault) const;
  std::optional<HttpResponse> refuse(const HttpRequest& request) const;

  ModelCatalog models;
  PromptRuler prompts;
  WebFiles web;
  JobStore store;
  JobQueue queue;
  AccessRules access;
  Router router;
  Workers workers;
  std::optional<HttpServer> http;
  std::string url;
};

void Server::State::add_routes() {
  const Services services{models, store, queue, workers, prompts};
  add_job_routes(router, services);
  add_gallery_routes(router, services);
  add_catalogue_routes(router, services);
  add_device_routes(router, services);
  add_status_routes(router, services, [this] { return http ? http->counts() : HttpCounts{}; });
  add_openai_routes(router, services);
  add_a1111_routes(router, services);
  router.set_fallback([this](const HttpRequest& request) { return web.respond(request); });
}

HttpApplication Server::State::application() {
  return {.refuse = [this](const HttpRequest& request) { return refuse(request); },
          .handle = [this](HttpRequest request, const Reply& reply) { router.handle(std::move(request), reply); },
          .fail =
              [this](int status, const std::string& code, const std::string& message) {
                return fail("", {status, code, message});
              }};
}

HttpResponse Server::State::fail(const std::string& path, const Fault& fault) const {
  HttpResponse response = router.refusal(path, fault);
  if (fault.status == 503) response.headers.emplace_back("Retry-After", "5");
  if (fault.status == 401) response.headers.emplace_back("WWW-Authenticate", access.challenge());
  return response;
}

std::optional<HttpResponse> Server::State::refuse(const HttpRequest& request) const {
  try {
    // The page itself asks for the credentials; it is in every copy of the program.
    if (web.holds(request)) {
      access.check_site(request);
    } else {
      access.check(request);
    }
    return std::nullopt;
  } catch (const HttpError&) {
    return fail(request.path, current_fault());
  }
}

Server::Server(const ServeOptions& options) {
  require_credentials_beyond_this_machine(options);
  state_ = std::make_unique<State>(options);
}

// Answers of ended jobs go out before the connections close.
Server::~Server() {
  state_->http->stop_accepting();
  state_->workers.stop();
  state_->http->stop(kReplyPatience);
}

uint16_t Server::port() const { return state_->http->port(); }

std::string Server::url() const { return state_->url; }

std::vector<std::string> Server::devices() const {
  std::vector<std::string> names;
  for (const WorkerStatus& worker : state_->workers.status()) names.push_back(worker.device);
  return names;
}

}  // namespace easel::server
