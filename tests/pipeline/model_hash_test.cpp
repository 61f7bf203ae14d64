#include "easel/pipeline/model_hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/base/file.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace easel::testing {
namespace {

namespace fs = std::filesystem;

class ModelHash : public ::testing::Test {
 protected:
  // A file of zeros that takes no space on the disk, large enough to be remembered.
  fs::path large_file() const {
    const fs::path file = folder_.write("large.ckpt", "");
    fs::resize_file(file, 100'000'000);
    return file;
  }
  std::string hash(const fs::path& file) {
    return model_hash(file, cache_, [this] { ++pulses_; });
  }

  const std::string zeros_ = "a993f8c574";  // of sha256sum
  TemporaryFolder folder_;
  fs::path cache_ = folder_ / "cache/easel/model-hashes.json";
  int pulses_ = 0;
};

TEST_F(ModelHash, IsTheStartOfTheSha256OfTheFile) {
  EXPECT_EQ(hash(folder_.write("abc", "abc")), "ba7816bf8f");
  EXPECT_FALSE(fs::exists(cache_));  // a small file is not worth it
}

TEST_F(ModelHash, OfALargeFileIsComputedOnce) {
  const fs::path file = large_file();
  EXPECT_EQ(hash(file), zeros_);
  EXPECT_GT(pulses_, 10);
  pulses_ = 0;
  EXPECT_EQ(hash(file), zeros_);
  EXPECT_EQ(hash(file.parent_path() / "." / file.filename()), zeros_);
  EXPECT_EQ(pulses_, 0);
}

TEST_F(ModelHash, AChangedFileIsHashedAnew) {
  const fs::path file = large_file();
  hash(file);
  fs::resize_file(file, 100'000'001);
  const std::string longer = hash(file);
  EXPECT_NE(longer, zeros_);
  pulses_ = 0;
  fs::last_write_time(file, fs::last_write_time(file) - std::chrono::hours(1));
  EXPECT_EQ(hash(file), longer);
  EXPECT_GT(pulses_, 0);
}

TEST_F(ModelHash, DamagedCachesCostNothingButTime) {
  const fs::path file = large_file();
  hash(file);
  auto wrong_type = nlohmann::json::parse(read_text_file(cache_, 1 << 20));
  wrong_type.begin().value()["sha256"] = 3;
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("\0\xFF", 2), wrong_type.dump(), std::string(2 << 20, ' ')}) {
    write_file_whole(cache_, text);
    pulses_ = 0;
    EXPECT_EQ(hash(file), zeros_);
    EXPECT_GT(pulses_, 0);
  }
  cache_ = folder_.write("file", "") / "below";  // nothing can be written there
  EXPECT_EQ(hash(file), zeros_);
  EXPECT_EQ(model_hash(file, std::nullopt), zeros_);
}

TEST_F(ModelHash, CanBeStopped) {
  const auto stop = [] { throw Error(ErrorCode::cancelled, "stopped"); };
  EXPECT_THROW(model_hash(large_file(), cache_, stop), Error);
  EXPECT_FALSE(fs::exists(cache_));
}

TEST_F(ModelHash, CacheLiesInTheUsersCacheFolder) {
  const auto with = [](const char* cache, const char* home) {
    ::setenv("XDG_CACHE_HOME", cache, 1);
    ::setenv("HOME", home, 1);
    return model_hash_cache();
  };
  const std::string old_home = ::getenv("HOME") == nullptr ? "" : ::getenv("HOME");
  EXPECT_EQ(with("/c", "/h"), "/c/easel/model-hashes.json");
  EXPECT_EQ(with("", "/h"), "/h/.cache/easel/model-hashes.json");
  EXPECT_EQ(with("", ""), std::nullopt);
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("HOME", old_home.c_str(), 1);
}

}  // namespace
}  // namespace easel::testing
