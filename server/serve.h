// Server: HTTP, jobs and models put together; what `easel serve` runs.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "easel/pipeline/pipeline.h"
#include "server/http/access.h"
#include "server/http/http_server.h"
#include "server/jobs/job_store.h"

namespace easel::server {

struct ServeOptions {
  HttpOptions http = {};
  Credentials credentials = {};                 // must be set to listen beyond this machine
  std::vector<std::string> allowed_hosts = {};  // names of this machine beside localhost
  std::filesystem::path data_folder = {};       // records and images
  PipelineOptions pipeline = {};                // of the default model; `device` may be several cards, "cuda:0,cuda:1"
  size_t max_waiting_jobs = 2000;
  uint64_t max_input_bytes = kMaxInputBytes;                          // of images that came with jobs which have ended
  std::chrono::milliseconds unload_after = std::chrono::minutes(10);  // without work the model's memory is given back
  std::optional<std::filesystem::path> web_folder = {};               // the pages' files; nothing: find_web_folder()
};

// $XDG_DATA_HOME/easel/gallery, or that below ~/.local/share; outputs/gallery where there is no home.
std::filesystem::path default_data_folder();

class Server {
 public:
  // Serves on threads of its own, and draws on one more for each device. Throws Error invalid_request, not_found,
  // io_failure, and device_failure for a device that cannot be used.
  explicit Server(const ServeOptions& options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // Ends the running jobs within a step, answers those who wait, then closes all connections.
  ~Server();

  uint16_t port() const;
  std::string url() const;                   // "http://127.0.0.1:7860"
  std::vector<std::string> devices() const;  // that draw: "cuda:0", ...

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace easel::server
