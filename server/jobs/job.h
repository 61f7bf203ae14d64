// Job: a request on its way through the server, from submission to the images on disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "easel/pipeline/request.h"
#include "easel/pipeline/upscale_request.h"

namespace easel::server {

using JobId = int64_t;
using ImageId = int64_t;
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

Time now();

enum class JobState {
  queued,
  running,
  done,
  failed,
  cancelled,    // by a client; images that were finished are kept
  interrupted,  // the server stopped or crashed while it ran
};
std::string_view name_of(JobState state);
// Throws Error invalid_request.
JobState parse_job_state(std::string_view name);
bool is_ended(JobState state);

// Through which API a job came. The client of a synchronous API waits for the answer, so such a job is of no use to
// anyone after a restart.
enum class Origin { jobs, a1111, openai };
std::string_view name_of(Origin origin);

// Images to draw, or an image to make larger.
using JobRequest = std::variant<Request, UpscaleRequest>;

// What a client hands in.
struct JobOrder {
  JobRequest request = {};
  std::filesystem::path model = {};  // checkpoint, or the upscaler's file; empty: Lanczos
  std::filesystem::path vae = {};    // instead of the model's own; empty: as the server was started
  Origin origin = Origin::jobs;
  std::string task_id = {};  // the client's own name for the job; may be empty
  bool keep_images = true;   // false: they are deleted once the client has them
};

struct StoredImage {
  ImageId id = 0;
  JobId job = 0;
  int64_t number = 0;  // 0-based, within the job
  uint64_t seed = 0;   // also where nothing was drawn
  std::string prompt = {};
  std::string parameters = {};  // the text inside the file
  int64_t width_px = 0;
  int64_t height_px = 0;
  bool watermarked = false;
  std::filesystem::path file = {};
  Time created = {};
};

struct RunProgress {
  std::string stage = {};  // "loading", then as name_of(Stage)
  int64_t step = 0;
  int64_t steps = 0;
  int64_t batch = 0;  // 0-based
  int64_t batches = 1;
  int64_t tile = 0;  // finished, of this step of an upscaler
  int64_t tiles = 1;
  double fraction = 0.0;  // 0..1 of the whole job
  std::optional<std::chrono::duration<double>> time_left = {};
  int64_t preview_version = 0;  // counts the previews of the job; 0: none yet
};

struct JobFault {
  std::string code;  // of Error, as name_of() spells it
  std::string message;
};

struct Job {
  JobId id = 0;
  JobState state = JobState::queued;
  Origin origin = Origin::jobs;
  std::string task_id = {};
  bool keep_images = true;
  std::filesystem::path model = {};
  std::filesystem::path vae = {};
  std::string request = {};                  // JSON as it was ordered, without images
  std::vector<std::string> inputs = {};      // names of the images that came with it: "init_image", "mask", "depth_map"
  std::optional<std::string> settings = {};  // that JSON with nothing left open, once the job is done
  std::string device = {};                   // that computes it or did, "cuda:0"; empty: it has not begun
  Time created = {};
  std::optional<Time> started = {};
  std::optional<Time> ended = {};
  std::optional<JobFault> fault = {};
  std::vector<std::string> warnings = {};
  std::vector<StoredImage> images = {};
  std::optional<int64_t> position = {};      // while queued: how many run before it
  std::optional<RunProgress> progress = {};  // while running
};

}  // namespace easel::server
