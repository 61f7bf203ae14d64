// The web pages' files, held in memory: only what was there at the start can be asked for.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "server/http/message.h"

namespace easel::server {

// Where the built pages lie: web/dist in the source tree, share/easel/web in an installation; nothing if nowhere.
std::optional<std::filesystem::path> find_web_folder();

class WebFiles {
 public:
  // folder: nothing means find_web_folder().
  explicit WebFiles(const std::optional<std::filesystem::path>& folder);

  bool holds(const HttpRequest& request) const;

  // GET. Throws HttpError 404.
  HttpResponse respond(const HttpRequest& request) const;

 private:
  struct File {
    std::string content_type;
    std::string bytes;
    std::string tag;  // changes with the content
  };

  const File* find(const std::string& path) const;

  std::map<std::string, File> files_;  // by path, "/assets/index.js"
};

}  // namespace easel::server
