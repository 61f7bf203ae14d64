// What the test card is asked to do, and the recording of it.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "easel/backend/plugin.h"
#include "easel/base/error.h"
#include "tests/plugins/card_faults.h"

namespace easel::testing {

// What the card does: at once, or when a recording is run.
class CardTape {
 public:
  using Step = std::function<void()>;

  explicit CardTape(CardFaults faults) : faults_(std::move(faults)) {}

  bool is_recording() const { return is_recording_; }
  void put(Step step) {
    faults_.meet();
    is_recording_ ? steps_.push_back(std::move(step)) : step();
  }
  // Throws if it is recording, as a card refuses what would have to wait for it.
  void require_time() const {
    faults_.meet();
    if (is_recording_) throw Error(ErrorCode::device_failure, "the card records and cannot be waited for");
  }
  void begin() {
    require_time();
    is_recording_ = true;
  }
  std::vector<Step> finish() {
    is_recording_ = false;
    return std::exchange(steps_, {});
  }

 private:
  CardFaults faults_;
  bool is_recording_ = false;
  std::vector<Step> steps_;
};

struct CardCounts {
  int recordings = 0;
  int runs = 0;  // of recordings
};

class CardRecorder : public Recorder {
 public:
  CardRecorder(std::shared_ptr<CardTape> tape, std::shared_ptr<CardCounts> counts)
      : tape_(std::move(tape)), counts_(std::move(counts)) {}

  void begin() override { tape_->begin(); }
  std::unique_ptr<Recording> finish() override {
    ++counts_->recordings;
    return std::make_unique<CardRecording>(tape_->finish(), counts_);
  }
  void abandon() noexcept override { tape_->finish(); }

 private:
  class CardRecording : public Recording {
   public:
    CardRecording(std::vector<CardTape::Step> steps, std::shared_ptr<CardCounts> counts)
        : steps_(std::move(steps)), counts_(std::move(counts)) {}
    void run() override {
      for (const CardTape::Step& step : steps_) step();
      ++counts_->runs;
    }

   private:
    std::vector<CardTape::Step> steps_;
    std::shared_ptr<CardCounts> counts_;
  };

  std::shared_ptr<CardTape> tape_;
  std::shared_ptr<CardCounts> counts_;
};

}  // namespace easel::testing
