#include "easel/backend/replay.h"

#include <algorithm>

#include "easel/backend/replay_memory.h"
#include "easel/backend/signature.h"
#include "easel/base/error.h"
#include "easel/base/log.h"

namespace easel {
namespace {

enum class Kind : uint64_t {
  conv2d,
  linear,
  linear_geglu,
  attention,
  group_norm,
  channel_sums,
  group_norm_scales,
  scale_shift,
  layer_norm,
  embedding,
  activate,
  copy,
  upsample_nearest_2x,
  resize,
  max_pool,
  concat_channels,
  combine,
  multiply,
  clamp,
};

constexpr size_t kMaxWorks = 16;    // of different kinds, kept at a time
constexpr int kMaxRecordings = 32;  // of one kind of work: what is never the same twice is not worth it

// What is not finished is abandoned.
class OpenRecording {
 public:
  explicit OpenRecording(Recorder& recorder) : recorder_(recorder) { recorder_.begin(); }
  ~OpenRecording() {
    if (!is_finished_) recorder_.abandon();
  }
  OpenRecording(const OpenRecording&) = delete;
  OpenRecording& operator=(const OpenRecording&) = delete;

  std::unique_ptr<Recording> finish() {
    auto recording = recorder_.finish();
    is_finished_ = true;
    return recording;
  }

 private:
  Recorder& recorder_;
  bool is_finished_ = false;
};

class ReplayingBackend : public Backend {
 public:
  ReplayingBackend(std::shared_ptr<Backend> inner, std::unique_ptr<Recorder> recorder, ReplayMemory& memory)
      : inner_(std::move(inner)), recorder_(std::move(recorder)), memory_(memory) {}

  void forget() { works_.clear(); }

  DType activation_type() const override { return inner_->activation_type(); }
  void set_range(ValueRange range) override {
    range_ = range;
    inner_->set_range(range);
  }
  void wait() override {
    memory_.trace().look();
    inner_->wait();
  }
  Tensor replayable(uint64_t variant, std::span<const Tensor> inputs, const Work& work) override;

  void conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
              Tensor& out) override {
    const Signature call = signature(Kind::conv2d)
                               .add(x)
                               .add(weight)
                               .add(bias)
                               .add(options.stride)
                               .add(options.padding)
                               .add(options.image_bias)
                               .add(options.residual)
                               .add(options.activation)
                               .add(out);
    compute(call, [&] { inner_->conv2d(x, weight, bias, options, out); });
  }
  void linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
              Tensor& out) override {
    const Signature call =
        signature(Kind::linear).add(x).add(weight).add(bias).add(options.activation).add(options.residual).add(out);
    compute(call, [&] { inner_->linear(x, weight, bias, options, out); });
  }
  void linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) override {
    compute(signature(Kind::linear_geglu).add(x).add(weight).add(bias).add(out),
            [&] { inner_->linear_geglu(x, weight, bias, out); });
  }
  void attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                 Tensor& out) override {
    compute(signature(Kind::attention).add(q).add(k).add(v).add(options.heads).add(options.causal).add(out),
            [&] { inner_->attention(q, k, v, options, out); });
  }
  void group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups, float epsilon,
                  Activation activation, Tensor& out) override {
    compute(signature(Kind::group_norm).add(x).add(weight).add(bias).add(groups).add(epsilon).add(activation).add(out),
            [&] { inner_->group_norm(x, weight, bias, groups, epsilon, activation, out); });
  }
  void channel_sums(const Tensor& x, const Tensor& pivot, const Tensor* before, Tensor& sums) override {
    compute(signature(Kind::channel_sums).add(x).add(pivot).add(before).add(sums),
            [&] { inner_->channel_sums(x, pivot, before, sums); });
  }
  void group_norm_scales(const Tensor& sums, const Tensor& pivot, int64_t pixels, const Parameter& weight,
                         const Parameter& bias, int64_t groups, float epsilon, Tensor& out) override {
    const Signature call = signature(Kind::group_norm_scales)
                               .add(sums)
                               .add(pivot)
                               .add(pixels)
                               .add(weight)
                               .add(bias)
                               .add(groups)
                               .add(epsilon)
                               .add(out);
    compute(call, [&] { inner_->group_norm_scales(sums, pivot, pixels, weight, bias, groups, epsilon, out); });
  }
  void scale_shift(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) override {
    compute(signature(Kind::scale_shift).add(x).add(scales).add(activation).add(out),
            [&] { inner_->scale_shift(x, scales, activation, out); });
  }
  void layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon,
                  Tensor& out) override {
    compute(signature(Kind::layer_norm).add(x).add(weight).add(bias).add(epsilon).add(out),
            [&] { inner_->layer_norm(x, weight, bias, epsilon, out); });
  }
  void embedding(const Tensor& ids, const Parameter& table, Tensor& out) override {
    memory_.trace().look();  // by the numbers that stand there now
    compute(signature(Kind::embedding).add(ids).add(table).add(out), [&] { inner_->embedding(ids, table, out); });
  }
  void activate(const Tensor& x, Activation activation, Tensor& out) override {
    compute(signature(Kind::activate).add(x).add(activation).add(out), [&] { inner_->activate(x, activation, out); });
  }
  void copy(const Tensor& x, Tensor& out) override {
    compute(signature(Kind::copy).add(x).add(out), [&] { inner_->copy(x, out); });
  }
  void upsample_nearest_2x(const Tensor& x, Tensor& out) override {
    compute(signature(Kind::upsample_nearest_2x).add(x).add(out), [&] { inner_->upsample_nearest_2x(x, out); });
  }
  void resize(const Tensor& x, const ResizeOptions& options, Tensor& out) override {
    compute(signature(Kind::resize).add(x).add(options.interpolation).add(options.align_corners).add(out),
            [&] { inner_->resize(x, options, out); });
  }
  void max_pool(const Tensor& x, const PoolOptions& options, Tensor& out) override {
    compute(signature(Kind::max_pool).add(x).add(options.kernel).add(options.stride).add(options.padding).add(out),
            [&] { inner_->max_pool(x, options, out); });
  }
  void concat_channels(const Tensor& a, const Tensor& b, Tensor& out) override {
    compute(signature(Kind::concat_channels).add(a).add(b).add(out), [&] { inner_->concat_channels(a, b, out); });
  }
  void combine(std::span<const Term> terms, float constant, Tensor& out) override {
    Signature call = signature(Kind::combine).add(constant).add(out);
    for (const Term& term : terms) call.add(term.factor).add(*term.tensor);
    compute(call, [&] { inner_->combine(terms, constant, out); });
  }
  void multiply(const Tensor& a, const Tensor& b, Tensor& out) override {
    compute(signature(Kind::multiply).add(a).add(b).add(out), [&] { inner_->multiply(a, b, out); });
  }
  void clamp(const Tensor& x, float low, float high, Tensor& out) override {
    compute(signature(Kind::clamp).add(x).add(low).add(high).add(out), [&] { inner_->clamp(x, low, high, out); });
  }

 private:
  enum class State {
    unseen,
    seen,   // it may be recorded
    usual,  // it cannot be recorded, or is not worth it
  };
  // Work that is done again and again.
  struct Known {
    uint64_t key;
    State state = State::unseen;
    std::vector<Tensor> inputs = {};  // where recordings read them
    int recordings = 0;               // how often it had to be recorded
    std::vector<uint64_t> operations = {};
    ReplayMemory::Uploads uploads = {};
    std::unique_ptr<Recording> recording = nullptr;
  };

  Signature signature(Kind kind) const { return Signature(static_cast<uint64_t>(kind)).add(range_); }
  template <typename Operation>
  void compute(const Signature& call, const Operation& operation) {
    if (!memory_.trace().pass(call.value())) return;
    const ReplayMemory::Operation scope(memory_);
    operation();
  }

  Known& known(uint64_t key);
  void set_inputs(Known& known, std::span<const Tensor> inputs);
  Tensor watched(Known& known, const Work& work);
  // Nothing if it cannot be recorded.
  std::optional<Tensor> recorded(Known& known, const Work& work);
  // Nothing if it is other work than what was recorded.
  std::optional<Tensor> followed(Known& known, const Work& work);
  std::optional<Tensor> replayed(Known& known, const Work& work);
  static Tensor run(const Known& known, const Tensor& result);

  std::shared_ptr<Backend> inner_;
  std::unique_ptr<Recorder> recorder_;
  ReplayMemory& memory_;
  ValueRange range_ = ValueRange::usual;
  std::vector<std::unique_ptr<Known>> works_;
};

ReplayingBackend::Known& ReplayingBackend::known(uint64_t key) {
  const auto found = std::ranges::find(works_, key, [](const auto& work) { return work->key; });
  if (found != works_.end()) return **found;
  if (works_.size() == kMaxWorks) memory_.give_back();
  return *works_.emplace_back(std::make_unique<Known>(Known{.key = key}));
}

void ReplayingBackend::set_inputs(Known& known, std::span<const Tensor> inputs) {
  if (known.inputs.empty()) {
    std::vector<Tensor> own;
    for (const Tensor& input : inputs) own.push_back(Tensor::empty(input.device(), input.shape(), input.dtype()));
    known.inputs = std::move(own);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto bytes = static_cast<uint64_t>(bytes_of(inputs[i].dtype(), inputs[i].count()));
    memory_.copy(inputs[i].address(), known.inputs[i].address(), bytes);
  }
}

Tensor ReplayingBackend::watched(Known& known, const Work& work) {
  std::optional<Tensor> result;
  {
    const ReplayMemory::Work scope(memory_, Trace::Mode::watching, known.operations, known.uploads);
    result = work(known.inputs);
    known.state = memory_.trace().was_looked_at() ? State::usual : State::seen;
  }
  return result->clone();
}

std::optional<Tensor> ReplayingBackend::recorded(Known& known, const Work& work) {
  if (++known.recordings > kMaxRecordings) return std::nullopt;
  known.recording = nullptr;
  known.operations.clear();
  known.uploads.clear();
  std::optional<Tensor> result;
  {
    const ReplayMemory::Work scope(memory_, Trace::Mode::recording, known.operations, known.uploads);
    // What else ends the work ends it for good: to begin anew, it may have to be asked for again.
    const auto is_left = [](const char* reason) {
      log::debug("what a network computes is not recorded: {}", reason);
      return std::nullopt;
    };
    try {
      OpenRecording recording(*recorder_);
      result = work(known.inputs);
      known.recording = recording.finish();
    } catch (const ReplayMismatch& reason) {
      return is_left(reason.what());
    } catch (const Error& reason) {
      if (reason.code() != ErrorCode::device_failure) throw;
      return is_left(reason.what());
    }
  }
  return run(known, *result);
}

std::optional<Tensor> ReplayingBackend::followed(Known& known, const Work& work) {
  std::optional<Tensor> result;
  try {
    const ReplayMemory::Work scope(memory_, Trace::Mode::following, known.operations, known.uploads);
    result = work(known.inputs);
    if (!memory_.trace().is_complete() || memory_.is_stale()) return std::nullopt;
  } catch (const ReplayMismatch&) {
    return std::nullopt;
  }
  return run(known, *result);
}

Tensor ReplayingBackend::run(const Known& known, const Tensor& result) {
  for (const auto& upload : known.uploads) upload->send();
  known.recording->run();
  return result.clone();
}

std::optional<Tensor> ReplayingBackend::replayed(Known& known, const Work& work) {
  if (known.state == State::unseen) return watched(known, work);
  std::optional<Tensor> result;
  if (known.recording) result = followed(known, work);
  if (!result) result = recorded(known, work);
  if (!result) known.state = State::usual;
  return result;
}

Tensor ReplayingBackend::replayable(uint64_t variant, std::span<const Tensor> inputs, const Work& work) {
  if (memory_.trace().mode() != Trace::Mode::off) return work(inputs);  // part of other work
  if (memory_.is_stale()) memory_.give_back();
  Signature key(variant);
  for (const Tensor& input : inputs) key.add(input.shape()).add(input.dtype());
  if (known(key.value()).state == State::usual) return work(inputs);
  std::optional<Tensor> result;
  try {
    set_inputs(known(key.value()), inputs);
    result = replayed(known(key.value()), work);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::out_of_memory) throw;
    log::debug("what a network computes is not recorded: {}", error.what());
    memory_.give_back();
    known(key.value()).state = State::usual;
  }
  return result ? *result : work(inputs);
}

}  // namespace

OpenedCard make_replaying(OpenedCard card) {
  EASEL_ASSERT(card.recorder != nullptr);
  auto memory = std::make_unique<ReplayMemory>(std::move(card.allocator));
  auto backend = std::make_shared<ReplayingBackend>(std::move(card.backend), std::move(card.recorder), *memory);
  memory->on_need([backend = backend.get()] { backend->forget(); });
  return {.allocator = std::move(memory), .backend = std::move(backend)};
}

}  // namespace easel
