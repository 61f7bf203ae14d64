#include "server/web_files.h"

#include <array>
#include <functional>
#include <utility>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/system.h"
#include "easel/base/text.h"
#include "server/errors.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

constexpr int kFoldersAbove = 4;
constexpr uint64_t kMaxFileBytes = uint64_t{32} << 20;
constexpr const char* kContentPolicy =
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

using TypeOfEnding = std::pair<std::string_view, std::string_view>;
constexpr std::array kTypes = {TypeOfEnding{".html", "text/html; charset=utf-8"},
                               TypeOfEnding{".js", "text/javascript; charset=utf-8"},
                               TypeOfEnding{".css", "text/css; charset=utf-8"},
                               TypeOfEnding{".json", "application/json"},
                               TypeOfEnding{".svg", "image/svg+xml"},
                               TypeOfEnding{".png", "image/png"},
                               TypeOfEnding{".ico", "image/x-icon"},
                               TypeOfEnding{".webp", "image/webp"},
                               TypeOfEnding{".woff2", "font/woff2"},
                               TypeOfEnding{".txt", "text/plain; charset=utf-8"},
                               TypeOfEnding{".webmanifest", "application/manifest+json"}};

std::string type_of(const fs::path& file) {
  const std::string ending = lower_ascii(file.extension().string());
  for (const auto& [known, type] : kTypes) {
    if (known == ending) return std::string(type);
  }
  return "application/octet-stream";
}

}  // namespace

std::optional<fs::path> find_web_folder() {
  fs::path at = executable_path().parent_path();
  for (int i = 0; i < kFoldersAbove && !at.empty(); ++i) {
    for (const fs::path& folder : {at / "web" / "dist", at / "share" / "easel" / "web"}) {
      std::error_code ignored;
      if (fs::is_regular_file(folder / "index.html", ignored)) return folder;
    }
    at = at.parent_path();
  }
  return std::nullopt;
}

WebFiles::WebFiles(const std::optional<fs::path>& folder) {
  const auto root = folder ? folder : find_web_folder();
  if (!root) return;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(*root)) {
    if (!entry.is_regular_file()) continue;
    std::string bytes = read_text_file(entry.path(), kMaxFileBytes);
    std::string tag = fmt::format("\"{:x}\"", std::hash<std::string>()(bytes));
    files_["/" + entry.path().lexically_relative(*root).generic_string()] = {type_of(entry.path()), std::move(bytes),
                                                                             std::move(tag)};
  }
}

const WebFiles::File* WebFiles::find(const std::string& path) const {
  const auto at = files_.find(path == "/" ? "/index.html" : path);
  return at == files_.end() ? nullptr : &at->second;
}

bool WebFiles::holds(const HttpRequest& request) const { return find(request.path) != nullptr; }

HttpResponse WebFiles::respond(const HttpRequest& request) const {
  const File* found = find(request.path);
  if (found == nullptr) throw HttpError(404, "not_found", fmt::format("there is nothing at {}", request.path));
  const File& file = *found;
  HttpResponse response{.content_type = file.content_type,
                        .headers = {{"ETag", file.tag},
                                    {"Cache-Control", "no-cache"},  // kept, but asked for again
                                    {"Content-Security-Policy", kContentPolicy}}};
  if (request.header("if-none-match") == file.tag) {
    response.status = 304;
  } else {
    response.body = file.bytes;
  }
  return response;
}

}  // namespace easel::server
