#include "server/jobs/job_store.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "easel/base/log.h"
#include "easel/image/codec.h"
#include "server/jobs/inputs.h"
#include "server/jobs/stored_files.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int64_t kSchemaVersion = 3;
constexpr const char* kSchema = R"sql(
  CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    state TEXT NOT NULL, origin TEXT NOT NULL, task_id TEXT NOT NULL, keep_images INTEGER NOT NULL,
    model TEXT NOT NULL, request TEXT NOT NULL, inputs TEXT NOT NULL, settings TEXT,
    created INTEGER NOT NULL, started INTEGER, ended INTEGER,
    fault_code TEXT, fault_message TEXT, warnings TEXT NOT NULL DEFAULT '[]', vae TEXT NOT NULL DEFAULT '',
    device TEXT NOT NULL DEFAULT '');
  CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state);
  CREATE TABLE IF NOT EXISTS images (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL REFERENCES jobs (id), number INTEGER NOT NULL,
    seed TEXT NOT NULL, prompt TEXT NOT NULL, parameters TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, watermarked INTEGER NOT NULL,
    file TEXT NOT NULL, created INTEGER NOT NULL,
    UNIQUE (job, number));
)sql";
constexpr const char* kJobColumns =
    "id, state, origin, task_id, keep_images, model, request, settings, created, started, ended, fault_code, "
    "fault_message, warnings, inputs, vae, device";
constexpr const char* kImageColumns =
    "id, job, number, seed, prompt, parameters, width, height, watermarked, file, created";

int64_t as_integer(Time time) { return time.time_since_epoch().count(); }
Time as_time(int64_t milliseconds) { return Time(std::chrono::milliseconds(milliseconds)); }
std::optional<Time> as_time(std::optional<int64_t> milliseconds) {
  if (!milliseconds) return std::nullopt;
  return as_time(*milliseconds);
}

std::string list_json(const std::vector<std::string>& list) {
  return Json(list).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Origin parse_origin(std::string_view name) {
  if (name == name_of(Origin::a1111)) return Origin::a1111;
  return name == name_of(Origin::openai) ? Origin::openai : Origin::jobs;
}

std::vector<std::string> parse_list(const std::string& json) {
  return Json::parse(json).get<std::vector<std::string>>();
}

std::string select(const char* columns, const char* rest) { return fmt::format("SELECT {} FROM {}", columns, rest); }

int64_t schema_version(Database& database) {
  Statement version = database.query("PRAGMA user_version");
  version.step();
  return version.integer(0);
}

void bring_up_to_date(Database& database, const fs::path& folder) {
  const int64_t version = schema_version(database);
  if (version > kSchemaVersion) {
    throw Error(ErrorCode::invalid_request,
                "{}: written by a newer easel (records of version {}, this program knows {}); use that one, or another "
                "folder with --data-dir",
                folder.string(), version, kSchemaVersion);
  }
  Transaction transaction(database);
  database.run(kSchema);
  if (version == 1) database.run("ALTER TABLE jobs ADD COLUMN vae TEXT NOT NULL DEFAULT ''");
  if (version == 1 || version == 2) database.run("ALTER TABLE jobs ADD COLUMN device TEXT NOT NULL DEFAULT ''");
  database.run(fmt::format("PRAGMA user_version = {}", kSchemaVersion).c_str());
  transaction.commit();
}

uint64_t bytes_in(const fs::path& folder) {
  uint64_t bytes = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    std::error_code ignored;
    if (entry.is_regular_file(ignored)) bytes += entry.file_size(ignored);
  }
  return bytes;
}

fs::path prepared(fs::path folder) {
  require_writable_directory(folder);
  return folder;
}

}  // namespace

JobStore::JobStore(const fs::path& folder, uint64_t max_input_bytes)
    : images_folder_(prepared(folder / "images")),
      inputs_folder_(prepared(folder / "inputs")),
      max_input_bytes_(max_input_bytes),
      input_bytes_(bytes_in(inputs_folder_)),
      database_(folder / "easel.sqlite") {
  bring_up_to_date(database_, folder);
}

std::vector<Job> JobStore::recover() {
  const std::lock_guard lock(mutex_);
  Statement ran = database_.query("SELECT id FROM jobs WHERE state = 'running'");
  while (ran.step()) adopt_files_without_record(ran.integer(0));
  database_.execute(
      "UPDATE jobs SET state = 'interrupted', ended = ?1, fault_code = 'cancelled',"
      " fault_message = 'the server ended before the job did'"
      " WHERE state = 'running' OR (state = 'queued' AND origin <> 'jobs')",
      as_integer(now()));
  Statement unwanted =
      database_.query("SELECT DISTINCT job FROM images JOIN jobs ON jobs.id = images.job WHERE jobs.keep_images = 0");
  std::vector<JobId> emptied;
  while (unwanted.step()) emptied.push_back(unwanted.integer(0));
  for (const JobId id : emptied) remove_images_of(id);
  prune_inputs();

  std::vector<Job> waiting;
  Statement row = database_.query(select(kJobColumns, "jobs WHERE state = 'queued' ORDER BY id").c_str());
  while (row.step()) waiting.push_back(read_job(row));
  return waiting;
}

Job JobStore::add(const JobOrder& order) {
  const DetachedRequest request = detach_images(order.request);
  Job job{.origin = order.origin,
          .task_id = order.task_id,
          .keep_images = order.keep_images,
          .model = order.model,
          .vae = order.vae,
          .request = request.json,
          .created = now()};
  for (const DetachedRequest::Input& input : request.inputs) job.inputs.push_back(input.name);
  const std::lock_guard lock(mutex_);
  Transaction transaction(database_);
  database_.execute(
      "INSERT INTO jobs (state, origin, task_id, keep_images, model, request, inputs, created, vae)"
      " VALUES ('queued', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
      name_of(job.origin), std::string_view(job.task_id), int64_t{job.keep_images},
      std::string_view(job.model.native()), std::string_view(job.request), std::string_view(list_json(job.inputs)),
      as_integer(job.created), std::string_view(job.vae.native()));
  job.id = database_.last_row_id();
  write_inputs(job, request.inputs);
  transaction.commit();
  return job;
}

void JobStore::write_inputs(const Job& job, const std::vector<DetachedRequest::Input>& inputs) {
  for (const DetachedRequest::Input& input : inputs) {
    write_file_whole(input_file(job.id, input.name), input.file);
    input_bytes_ += input.file.size();
  }
}

void JobStore::remove_inputs(JobId id, const std::vector<std::string>& names) {
  database_.execute("UPDATE jobs SET inputs = '[]' WHERE id = ?1", id);
  for (const std::string& name : names) {
    const fs::path file = input_file(id, name);
    std::error_code failure;
    const uintmax_t bytes = fs::file_size(file, failure);
    remove_file(file);
    if (!failure) input_bytes_ -= std::min<uint64_t>(bytes, input_bytes_);
  }
}

// Those that wait or run keep theirs, whatever the limit.
void JobStore::prune_inputs() {
  while (input_bytes_ > max_input_bytes_) {
    Statement oldest = database_.query(
        "SELECT id, inputs FROM jobs WHERE inputs <> '[]' AND state NOT IN ('queued', 'running') ORDER BY id LIMIT 1");
    if (!oldest.step()) return;
    remove_inputs(oldest.integer(0), parse_list(oldest.text(1)));
  }
}

JobRequest JobStore::load_request(const Job& job) const {
  return attach_images(job.request, inputs_folder_, job.id, job.inputs);
}

fs::path JobStore::input_file(JobId id, const std::string& name) const {
  return server::input_file(inputs_folder_, id, name);
}

void JobStore::mark_running(JobId id, Time started, const std::string& device) {
  const std::lock_guard lock(mutex_);
  database_.execute("UPDATE jobs SET state = 'running', started = ?2, device = ?3 WHERE id = ?1", id,
                    as_integer(started), std::string_view(device));
}

void JobStore::finish(JobId id, const JobOutcome& outcome, Time ended) {
  const std::lock_guard lock(mutex_);
  database_.execute(
      "UPDATE jobs SET state = ?2, ended = ?3, fault_code = ?4, fault_message = ?5, warnings = ?6, settings = ?7"
      " WHERE id = ?1",
      id, name_of(outcome.state), as_integer(ended),
      outcome.fault ? std::optional<std::string_view>(outcome.fault->code) : std::nullopt,
      outcome.fault ? std::optional<std::string_view>(outcome.fault->message) : std::nullopt,
      std::string_view(list_json(outcome.warnings)),
      outcome.settings ? std::optional<std::string_view>(*outcome.settings) : std::nullopt);
  prune_inputs();
}

StoredImage JobStore::add_image(JobId job, int64_t number, const GeneratedImage& image) {
  StoredImage stored{.job = job,
                     .number = number,
                     .seed = image.seed,
                     .prompt = image.prompt,
                     .parameters = image.parameters,
                     .width_px = image.image.width_px(),
                     .height_px = image.image.height_px(),
                     .watermarked = image.watermarked,
                     .file = images_folder_ / image_file_name({job, number, image.seed}),
                     .created = now()};
  save_image(stored.file, image.image, {.parameters = image.parameters});
  const std::lock_guard lock(mutex_);
  insert_image(stored);
  return stored;
}

void JobStore::insert_image(StoredImage& image) {
  database_.execute(
      "INSERT INTO images (job, number, seed, prompt, parameters, width, height, watermarked, file, created)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
      image.job, image.number, std::string_view(std::to_string(image.seed)), std::string_view(image.prompt),
      std::string_view(image.parameters), image.width_px, image.height_px, int64_t{image.watermarked},
      std::string_view(image.file.filename().native()), as_integer(image.created));
  image.id = database_.last_row_id();
}

// A crash may fall between the file and its record.
void JobStore::adopt_files_without_record(JobId id) {
  const std::vector<StoredImage> known = images_of(id);
  for (StoredImage& found : read_images_of(images_folder_, id)) {
    const auto same = [&](const StoredImage& image) { return image.number == found.number; };
    if (std::none_of(known.begin(), known.end(), same)) insert_image(found);
  }
}

std::optional<Job> JobStore::find(JobId id) {
  const std::lock_guard lock(mutex_);
  Statement row = database_.query(select(kJobColumns, "jobs WHERE id = ?1").c_str(), id);
  if (!row.step()) return std::nullopt;
  return read_job(row);
}

std::vector<Job> JobStore::list(const Page& page, std::optional<JobState> state) {
  const std::lock_guard lock(mutex_);
  std::vector<Job> jobs;
  Statement row = database_.query(
      select(kJobColumns, "jobs WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR state = ?2) ORDER BY id DESC LIMIT ?3")
          .c_str(),
      page.before, state ? std::optional<std::string_view>(name_of(*state)) : std::nullopt, page.limit);
  while (row.step()) jobs.push_back(read_job(row));
  return jobs;
}

std::optional<StoredImage> JobStore::find_image(ImageId id) {
  const std::lock_guard lock(mutex_);
  Statement row = database_.query(select(kImageColumns, "images WHERE id = ?1").c_str(), id);
  if (!row.step()) return std::nullopt;
  return read_image(row);
}

std::vector<StoredImage> JobStore::list_images(const Page& page) {
  const std::lock_guard lock(mutex_);
  std::vector<StoredImage> images;
  Statement row = database_.query(
      select(kImageColumns,
             "images WHERE (?1 IS NULL OR id < ?1) AND job IN (SELECT id FROM jobs WHERE keep_images = 1)"
             " ORDER BY id DESC LIMIT ?2")
          .c_str(),
      page.before, page.limit);
  while (row.step()) images.push_back(read_image(row));
  return images;
}

int64_t JobStore::image_count() {
  const std::lock_guard lock(mutex_);
  Statement row = database_.query("SELECT count(*) FROM images");
  row.step();
  return row.integer(0);
}

bool JobStore::remove_image(ImageId id) {
  const std::lock_guard lock(mutex_);
  const auto image = find_image(id);
  if (!image) return false;
  database_.execute("DELETE FROM images WHERE id = ?1", id);
  remove_file(image->file);
  return true;
}

void JobStore::remove_images_of(JobId id) {
  const std::lock_guard lock(mutex_);
  for (const StoredImage& image : images_of(id)) remove_image(image.id);
  const auto job = find(id);
  if (job && !job->inputs.empty()) remove_inputs(id, job->inputs);
}

std::vector<StoredImage> JobStore::images_of(JobId id) {
  std::vector<StoredImage> images;
  Statement row = database_.query(select(kImageColumns, "images WHERE job = ?1 ORDER BY number").c_str(), id);
  while (row.step()) images.push_back(read_image(row));
  return images;
}

Job JobStore::read_job(const Statement& row) {
  Job job{.id = row.integer(0),
          .state = parse_job_state(row.text(1)),
          .origin = parse_origin(row.text(2)),
          .task_id = row.text(3),
          .keep_images = row.integer(4) != 0,
          .model = row.text(5),
          .vae = row.text(15),
          .request = row.text(6),
          .inputs = parse_list(row.text(14)),
          .settings = row.optional_text(7),
          .device = row.text(16),
          .created = as_time(row.integer(8)),
          .started = as_time(row.optional_integer(9)),
          .ended = as_time(row.optional_integer(10)),
          .warnings = parse_list(row.text(13)),
          .images = images_of(row.integer(0))};
  if (const auto code = row.optional_text(11)) job.fault = JobFault{*code, row.text(12)};
  return job;
}

StoredImage JobStore::read_image(const Statement& row) const {
  return {.id = row.integer(0),
          .job = row.integer(1),
          .number = row.integer(2),
          .seed = std::stoull(row.text(3)),
          .prompt = row.text(4),
          .parameters = row.text(5),
          .width_px = row.integer(6),
          .height_px = row.integer(7),
          .watermarked = row.integer(8) != 0,
          .file = images_folder_ / row.text(9),
          .created = as_time(row.integer(10))};
}

}  // namespace easel::server
