#include "server/jobs/database.h"

#include <sqlite3.h>

#include "easel/base/error.h"
#include "easel/base/log.h"

namespace easel::server {
namespace {

[[noreturn]] void fail(sqlite3* database, const std::string& what) {
  throw Error(ErrorCode::io_failure, "{}: {}; is the disk full or the folder read-only?", what,
              sqlite3_errmsg(database));
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement::Statement(sqlite3* database, const char* sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v2(database, sql, -1, &statement, nullptr));
  statement_.reset(statement);
}

void Statement::check(int status) const {
  if (status != SQLITE_OK) fail(database_, "the records of jobs");
}

void Statement::bind(int index, int64_t value) { check(sqlite3_bind_int64(statement_.get(), index, value)); }

void Statement::bind(int index, std::string_view value) {
  check(sqlite3_bind_text64(statement_.get(), index, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

bool Statement::step() {
  const int status = sqlite3_step(statement_.get());
  if (status == SQLITE_ROW) return true;
  if (status != SQLITE_DONE) fail(database_, "the records of jobs");
  return false;
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

std::optional<int64_t> Statement::optional_integer(int column) const {
  if (is_null(column)) return std::nullopt;
  return integer(column);
}

std::optional<std::string> Statement::optional_text(int column) const {
  if (is_null(column)) return std::nullopt;
  return text(column);
}

void Database::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

Database::Database(const std::filesystem::path& file) {
  sqlite3* database = nullptr;
  const int status = sqlite3_open_v2(file.c_str(), &database,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  database_.reset(database);
  if (status != SQLITE_OK) fail(database, file.string());
  // Whole or not at all, after a power failure too; and no second server on the same folder.
  const int configured =
      sqlite3_exec(database,
                   "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                   "PRAGMA foreign_keys = ON; BEGIN EXCLUSIVE; COMMIT;",
                   nullptr, nullptr, nullptr);
  if (configured == SQLITE_BUSY) {
    throw Error(ErrorCode::invalid_request,
                "{}: another server works with this data folder; stop it, or choose another with --data-dir",
                file.parent_path().string());
  }
  if (configured != SQLITE_OK) fail(database, file.string());
}

void Database::run(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail(database_.get(), "the records of jobs");
  }
}

int64_t Database::last_row_id() const { return sqlite3_last_insert_rowid(database_.get()); }

Transaction::~Transaction() {
  if (!is_open_) return;
  try {
    database_.run("ROLLBACK");
  } catch (const Error& error) {
    log::warn("{}", error.what());
  }
}

void Transaction::commit() {
  database_.run("COMMIT");
  is_open_ = false;
}

}  // namespace easel::server
