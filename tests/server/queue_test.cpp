// Which worker takes which job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "easel/base/error.h"
#include "server/jobs/job_queue.h"
#include "tests/support/temporary_folder.h"

namespace easel::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

JobOrder order_for(const std::string& model, const std::string& vae = "") {
  return {.request = Request{.prompt = "a bird"}, .model = model, .vae = vae};
}

class Queue : public ::testing::Test {
 protected:
  JobId submit(const std::string& model, const std::string& vae = "") { return *queue_.submit(order_for(model, vae)); }

  // A worker that waits on a thread of its own.
  using Taken = std::future<std::optional<Assignment>>;
  Taken wait_with(size_t worker, const HeldModel& held) {
    const size_t waiting = queue_.idle_worker_count();
    Taken taken = std::async(std::launch::async, [=, this] { return queue_.take(worker, held, std::nullopt); });
    while (queue_.idle_worker_count() == waiting) std::this_thread::yield();
    return taken;
  }
  std::optional<Assignment> take_now(size_t worker) { return queue_.take(worker, {}, JobQueue::Clock::time_point()); }

  testing::TemporaryFolder folder_;
  JobStore store_{folder_.path()};
  JobQueue queue_{store_, 10};
};

TEST_F(Queue, JobsBeginInTheOrderInWhichTheyCame) {
  const size_t first = queue_.add_worker("cuda:0"), second = queue_.add_worker("cuda:1");
  std::vector<JobId> ids;
  for (const char* model : {"a.ckpt", "b.ckpt", "a.ckpt"}) ids.push_back(submit(model));
  const Assignment one = *take_now(second), two = *take_now(first);
  EXPECT_EQ(one.job.id, ids[0]);
  EXPECT_EQ(one.job.device, "cuda:1");
  EXPECT_EQ(two.job.id, ids[1]);
  EXPECT_EQ(two.job.device, "cuda:0");
  EXPECT_THAT(queue_.running(), ElementsAre(ids[0], ids[1]));
  EXPECT_EQ(queue_.find(ids[2])->position, 2);
  EXPECT_EQ(queue_.find(ids[2])->device, "");
  EXPECT_EQ(store_.find(ids[1])->device, "cuda:0");
  queue_.finish(ids[0], {});
  EXPECT_THAT(queue_.running(), ElementsAre(ids[1]));
  EXPECT_EQ(queue_.find(ids[2])->position, 1);
  EXPECT_EQ(take_now(second)->job.id, ids[2]);
  queue_.finish(ids[1], {});
  queue_.finish(ids[2], {});
  EXPECT_EQ(store_.find(ids[0])->device, "cuda:1");
  EXPECT_FALSE(take_now(first));
}

TEST_F(Queue, TheIdleWorkerWithTheModelTakesTheJob) {
  const size_t first = queue_.add_worker("cuda:0"), second = queue_.add_worker("cuda:1");
  Taken with_a = wait_with(first, {.model = "a.ckpt"});
  Taken with_b = wait_with(second, {.model = "b.ckpt"});
  const JobId b = submit("b.ckpt");
  EXPECT_EQ(with_b.get()->job.id, b);
  const JobId a = submit("a.ckpt");
  EXPECT_EQ(with_a.get()->job.id, a);
}

TEST_F(Queue, AnotherModelGoesToAnEmptyWorker) {
  const size_t first = queue_.add_worker("cuda:0"), second = queue_.add_worker("cuda:1");
  Taken with_a = wait_with(first, {.model = "a.ckpt"});
  Taken empty = wait_with(second, {});
  const JobId other = submit("a.ckpt", "another-vae.safetensors");
  EXPECT_EQ(empty.get()->job.id, other);
  const JobId c = submit("c.ckpt");  // better than to wait
  EXPECT_EQ(with_a.get()->job.id, c);
}

TEST_F(Queue, NobodyWaitsForABusyWorkerWithTheModel) {
  const size_t first = queue_.add_worker("cuda:0"), second = queue_.add_worker("cuda:1");
  submit("a.ckpt");
  ASSERT_TRUE(take_now(first));
  Taken with_b = wait_with(second, {.model = "b.ckpt"});
  const JobId next = submit("a.ckpt");
  EXPECT_EQ(with_b.get()->job.id, next);
}

TEST_F(Queue, SeveralJobsWakeSeveralWorkers) {
  std::vector<Taken> taken;
  for (const char* device : {"cuda:0", "cuda:1", "cuda:2"}) taken.push_back(wait_with(queue_.add_worker(device), {}));
  const std::vector<JobId> ids = {submit("a.ckpt"), submit("a.ckpt"), submit("a.ckpt")};
  std::vector<JobId> begun;
  for (Taken& each : taken) begun.push_back(each.get()->job.id);
  EXPECT_THAT(begun, ::testing::UnorderedElementsAreArray(ids));
}

TEST_F(Queue, LanczosIsNoneOfTheCards) {
  const size_t worker = queue_.add_worker("cuda:0");
  UpscaleRequest request;
  request.image = Image(8, 8);
  const JobId id = *queue_.submit({.request = request});
  EXPECT_EQ(take_now(worker)->job.device, "cpu");
  EXPECT_EQ(queue_.find(id)->device, "cpu");
}

TEST_F(Queue, ANudgeWakesEveryWorkerOnce) {
  const size_t first = queue_.add_worker("cuda:0"), second = queue_.add_worker("cuda:1");
  Taken waits = wait_with(first, {});
  queue_.nudge();
  EXPECT_FALSE(waits.get());
  EXPECT_FALSE(queue_.take(second, {}, std::nullopt));  // it was busy then
  Taken again = wait_with(first, {});
  const JobId id = submit("a.ckpt");
  EXPECT_EQ(again.get()->job.id, id);
}

TEST_F(Queue, ClosingCancelsAllThatRun) {
  const size_t first = queue_.add_worker("cuda:0"), second = queue_.add_worker("cuda:1");
  for (int i = 0; i < 2; ++i) submit("a.ckpt");
  const Assignment one = *take_now(first), two = *take_now(second);
  Taken waits = wait_with(queue_.add_worker("cuda:2"), {});
  EXPECT_FALSE(one.cancel.cancelled());
  queue_.close();
  EXPECT_TRUE(one.cancel.cancelled());
  EXPECT_TRUE(two.cancel.cancelled());
  EXPECT_FALSE(waits.get());
  EXPECT_FALSE(queue_.take(first, {}, std::nullopt));
}

TEST_F(Queue, TheLastLostWorkerEndsThoseWhoWaitForAnAnswer) {
  const size_t first = queue_.add_worker("cuda:0"), second = queue_.add_worker("cuda:1");
  const JobId kept = submit("a.ckpt");
  JobOrder of_a_client = order_for("a.ckpt");
  of_a_client.origin = Origin::a1111;
  const JobId awaited = *queue_.submit(of_a_client);
  queue_.lose_worker(second, "cuda:1 is lost");
  EXPECT_TRUE(queue_.has_workers());
  EXPECT_EQ(queue_.find(awaited)->state, JobState::queued);
  queue_.lose_worker(first, "cuda:0 is lost");
  EXPECT_FALSE(queue_.has_workers());
  EXPECT_EQ(queue_.find(kept)->state, JobState::queued);
  const Job failed = *queue_.find(awaited);
  EXPECT_EQ(failed.state, JobState::failed);
  EXPECT_EQ(failed.fault->code, "device_failure");
  EXPECT_THAT(failed.fault->message, HasSubstr("cuda:0 is lost"));
  try {
    queue_.submit(order_for("a.ckpt"));
    FAIL() << "a job that nobody will run";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::device_failure);
    EXPECT_THAT(error.what(), HasSubstr("no device is left to draw with: cuda:0 is lost"));
  }
}

}  // namespace
}  // namespace easel::server
