// What outlives a server: jobs, images, and what a crash leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "easel/base/error.h"
#include "easel/image/codec.h"
#include "server/jobs/job_store.h"
#include "tests/cli/easel_process.h"
#include "tests/server/client.h"

namespace easel::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Json endless_request() {
  Json request = small_request();
  request["steps"] = 1000;
  request["batch_count"] = 1000;
  return request;
}

// `easel serve` in a process of its own.
class ServeProcess {
 public:
  explicit ServeProcess(const TemporaryFolder& folder)
      : process_({"serve", "--ckpt", golden_path("models/sd1-tiny.ckpt").string(), "--port", "0", "--data-dir",
                  (folder / "data").string(), "--threads", "2"},
                 {.directory = folder.path()}) {}

  Client client() const {
    const std::string start = "http://127.0.0.1:";
    EXPECT_TRUE(process_.wait_for_output(" (Ctrl-C ends it)", std::chrono::seconds(30)));
    const std::string text = process_.output();
    return Client(static_cast<uint16_t>(std::stoi(text.substr(text.find(start) + start.size()))));
  }
  EaselProcess& process() { return process_; }

 private:
  EaselProcess process_;
};

TEST(ServerLifetime, AKilledServerKeepsItsGalleryAndMarksItsJob) {
  const TemporaryFolder folder;
  int64_t done = 0, cut_off = 0, waiting = 0;
  {
    ServeProcess serve(folder);
    const Client client = serve.client();
    done = client.submit(small_request(5));
    EXPECT_EQ(client.await_job(done)["state"], "done");
    cut_off = client.submit(endless_request());
    waiting = client.submit(small_request(6));
    client.await_job(cut_off, "running");
    serve.process().send(SIGKILL);
    EXPECT_EQ(serve.process().finish().status, 128 + SIGKILL);
  }
  ServeProcess serve(folder);
  const Client client = serve.client();
  EXPECT_EQ(client.await_job(cut_off)["state"], "interrupted");
  const Json kept = client.await_job(done);
  EXPECT_EQ(kept["state"], "done");
  EXPECT_EQ(client.get(kept["images"][0]["url"]).status, 200);
  EXPECT_EQ(client.await_job(waiting)["state"], "done");  // it goes on

  serve.process().send(SIGTERM);
  const Finished finished = serve.process().finish();
  EXPECT_EQ(finished.status, 0);
  EXPECT_THAT(finished.out, HasSubstr("stopping"));
}

TEST(ServerLifetime, InterruptEndsTheServerWithinAStep) {
  const TemporaryFolder folder;
  int64_t id = 0;
  {
    ServeProcess serve(folder);
    const Client client = serve.client();
    id = client.submit(endless_request());
    client.await_job(id, "running");
    const auto start = std::chrono::steady_clock::now();
    serve.process().send(SIGINT);
    EXPECT_EQ(serve.process().finish().status, 0);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  }
  const server::Server again(test_options(folder / "data"));
  EXPECT_EQ(Client(again.port()).await_job(id)["state"], "interrupted");
}

TEST(ServerLifetime, TwoServersDoNotShareAFolder) {
  const TemporaryFolder folder;
  const server::Server first(test_options(folder.path()));
  try {
    const server::Server second(test_options(folder.path()));
    FAIL() << "two servers on one folder";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--data-dir"));
  }
}

TEST(ServerLifetime, ClientsThatWaitAreToldWhenTheServerStops) {
  const TemporaryFolder folder;
  auto server = std::make_unique<server::Server>(test_options(folder.path()));
  const Client client(server->port());
  Json request = endless_request();
  request.erase("batch_count");
  Connection running(client.port()), waiting(client.port());
  running.send(request_text("POST", "/sdapi/v1/txt2img", request.dump()));
  waiting.send(request_text("POST", "/sdapi/v1/txt2img", request.dump()));
  while (client.get("/api/v1/queue").json()["jobs"].size() < 2)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  server.reset();
  EXPECT_EQ(running.receive().status, 410);
  EXPECT_EQ(waiting.receive().status, 410);
}

class Recovery : public ::testing::Test {
 protected:
  server::JobOrder order() const { return {.request = Request{.prompt = "a bird"}, .model = "model.ckpt"}; }
  static GeneratedImage image(uint64_t seed) {
    return {.image = Image(8, 4, {1, 2, 3}),
            .seed = seed,
            .prompt = "a bird",
            .parameters = "a bird\nSteps: 1, Seed: 7, Size: 8x4",
            .watermarked = false};
  }
  // A queued job, in records that `changes` make those of an older version.
  int64_t job_of_older_records(const char* changes) const {
    const int64_t id = server::JobStore(folder_.path()).add(order()).id;
    server::Database(folder_ / "easel.sqlite").run(changes);
    return id;
  }

  TemporaryFolder folder_;
};

TEST_F(Recovery, FinishedImagesWithoutARecordAreAdopted) {
  int64_t id = 0;
  {
    server::JobStore store(folder_.path());
    id = store.add(order()).id;
    store.mark_running(id, server::now(), "cpu");
    store.add_image(id, 0, image(7));
    const auto file = store.find(id)->images.at(0).file;
    std::filesystem::copy(file, file.parent_path() / "000001-1-8.png");  // as if the crash came before its record
    std::ofstream(file.parent_path() / "000001-2-9.png") << "half a file";
  }
  server::JobStore store(folder_.path());
  EXPECT_THAT(store.recover(), IsEmpty());
  const server::Job job = *store.find(id);
  EXPECT_EQ(job.state, server::JobState::interrupted);
  ASSERT_THAT(job.images, SizeIs(2));
  EXPECT_EQ(job.images[1].seed, 8u);
  EXPECT_EQ(job.images[1].prompt, "a bird");
  EXPECT_EQ(job.images[1].width_px, 8);
}

TEST_F(Recovery, JobsWhoseClientsAreGoneDoNotRunAgain) {
  int64_t kept = 0, gone = 0;
  {
    server::JobStore store(folder_.path());
    kept = store.add(order()).id;
    server::JobOrder of_a_client = order();
    of_a_client.origin = server::Origin::a1111;
    of_a_client.keep_images = false;
    gone = store.add(of_a_client).id;
    store.add_image(gone, 0, image(7));
  }
  server::JobStore store(folder_.path());
  const std::vector<server::Job> waiting = store.recover();
  ASSERT_THAT(waiting, SizeIs(1));
  EXPECT_EQ(waiting[0].id, kept);
  EXPECT_EQ(store.find(gone)->state, server::JobState::interrupted);
  EXPECT_THAT(store.find(gone)->images, IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "images"));
}

TEST_F(Recovery, ImagesOfRequestsAreBroughtBack) {
  server::JobOrder with_images = order();
  Request& request = std::get<Request>(with_images.request);
  request.task = Task::inpaint;
  request.init_image = Image(64, 64, {1, 2, 3});
  request.mask = Mask(64, 64, {200});
  {
    server::JobStore store(folder_.path());
    EXPECT_THAT(store.add(with_images).inputs, ElementsAre("init_image", "mask"));
  }
  server::JobStore store(folder_.path());
  const std::vector<server::Job> waiting = store.recover();
  ASSERT_THAT(waiting, SizeIs(1));
  EXPECT_THAT(waiting[0].request, ::testing::Not(HasSubstr("init_image")));
  EXPECT_EQ(to_json(std::get<Request>(store.load_request(waiting[0]))), to_json(request));
  std::filesystem::remove(store.input_file(waiting[0].id, "mask"));
  EXPECT_THROW(store.load_request(waiting[0]), Error);
}

TEST_F(Recovery, ImagesOfEndedRequestsAreDeletedBeyondALimit) {
  server::JobOrder with_image = order();
  std::get<Request>(with_image.request).task = Task::img2img;
  std::get<Request>(with_image.request).init_image = Image(64, 64, {1, 2, 3});
  const uint64_t bytes = encode_image(Image(64, 64, {1, 2, 3})).size();
  const auto has_input = [](server::JobStore& store, int64_t id) {
    const bool is_known = !store.find(id)->inputs.empty();
    EXPECT_EQ(std::filesystem::exists(store.input_file(id, "init_image")), is_known);
    return is_known;
  };
  std::vector<int64_t> ids;
  {
    server::JobStore store(folder_.path(), 2 * bytes);
    for (int i = 0; i < 4; ++i) ids.push_back(store.add(with_image).id);
    for (const int64_t id : ids) EXPECT_TRUE(has_input(store, id));  // they wait: none is deleted
    for (int i = 0; i < 3; ++i) store.finish(ids[static_cast<size_t>(i)], {}, server::now());
    EXPECT_FALSE(has_input(store, ids[0]));
    EXPECT_FALSE(has_input(store, ids[1]));
    EXPECT_TRUE(has_input(store, ids[2]));
    EXPECT_TRUE(has_input(store, ids[3]));
  }
  server::JobStore store(folder_.path(), 1);  // less than what waits alone
  EXPECT_THAT(store.recover(), SizeIs(1));
  EXPECT_FALSE(has_input(store, ids[2]));
  EXPECT_TRUE(has_input(store, ids[3]));
}

TEST_F(Recovery, RecordsOfTheFirstVersionAreBroughtUpToDate) {
  const int64_t id = job_of_older_records(
      "ALTER TABLE jobs DROP COLUMN vae; ALTER TABLE jobs DROP COLUMN device; PRAGMA user_version = 1");
  server::JobStore store(folder_.path());
  EXPECT_EQ(store.find(id)->vae, "");
  EXPECT_EQ(store.find(id)->device, "");
  EXPECT_THAT(store.recover(), SizeIs(1));
}

TEST_F(Recovery, RecordsWithoutDevicesAreBroughtUpToDate) {
  const int64_t id = job_of_older_records("ALTER TABLE jobs DROP COLUMN device; PRAGMA user_version = 2");
  {
    server::JobStore store(folder_.path());
    EXPECT_EQ(store.find(id)->device, "");
    store.mark_running(id, server::now(), "cuda:1");
  }
  server::JobStore store(folder_.path());
  EXPECT_THAT(store.recover(), IsEmpty());
  EXPECT_EQ(store.find(id)->device, "cuda:1");  // what drew it is known after a crash too
}

TEST_F(Recovery, RecordsOfANewerProgramAreLeftAlone) {
  { server::JobStore store(folder_.path()); }
  {
    server::Database database(folder_ / "easel.sqlite");
    database.run("PRAGMA user_version = 99");
  }
  try {
    server::JobStore store(folder_.path());
    FAIL() << "it was opened";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("newer easel"));
  }
}

}  // namespace
}  // namespace easel::testing
