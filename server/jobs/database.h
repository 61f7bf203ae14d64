// SQLite with its handles owned and its failures as Error io_failure.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace easel::server {

// A prepared statement with its values bound.
class Statement {
 public:
  // True: there is a row to read. False: the statement is finished.
  bool step();

  int64_t integer(int column) const;
  std::string text(int column) const;  // empty for NULL
  std::optional<int64_t> optional_integer(int column) const;
  std::optional<std::string> optional_text(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };

  Statement(sqlite3* database, const char* sql);
  bool is_null(int column) const;
  void check(int status) const;

  void bind(int index, int64_t value);
  void bind(int index, std::string_view value);
  template <typename T>
  void bind(int index, const std::optional<T>& value) {
    if (value) bind(index, *value);  // what is not bound is NULL
  }

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// One connection, for one thread at a time.
class Database {
 public:
  // Creates the file if there is none and takes it for this process alone. Throws Error io_failure, and invalid_request
  // if another process has it.
  explicit Database(const std::filesystem::path& file);

  // Several statements without values.
  void run(const char* sql);
  // Values go to ?1, ?2, ... in order: int64_t, text, or an optional of these.
  template <typename... Values>
  Statement query(const char* sql, const Values&... values) {
    Statement statement(database_.get(), sql);
    int index = 0;
    (statement.bind(++index, values), ...);
    return statement;
  }
  template <typename... Values>
  void execute(const char* sql, const Values&... values) {
    query(sql, values...).step();
  }

  int64_t last_row_id() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };

  std::unique_ptr<sqlite3, Close> database_;
};

// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) { database_.run("BEGIN IMMEDIATE"); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  void commit();

 private:
  Database& database_;
  bool is_open_ = true;
};

}  // namespace easel::server
