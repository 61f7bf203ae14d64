// A plug-in with cards that compute on the processor, with memory that nobody else can touch: one, or as many as
// EASEL_TEST_CARDS says. Behind them comes one that cannot be used.
//
// In the folder that EASEL_TEST_CARD_FAULTS names, a file "cuda:1.lost" is the end of that card; "cuda:1.once" has its
// next operation fail, and goes.
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "easel/backend/devices.h"
#include "easel/backend/plugin.h"
#include "easel/base/error.h"

namespace {

using namespace easel;

constexpr uint64_t kCardBytes = 8'000'000'000;

class Faults {
 public:
  explicit Faults(int index) : name_("cuda:" + std::to_string(index)) {
    if (const char* const folder = std::getenv("EASEL_TEST_CARD_FAULTS")) folder_ = folder;
  }

  bool is_lost() const {
    std::error_code ignored;
    return !folder_.empty() && std::filesystem::exists(folder_ / (name_ + ".lost"), ignored);
  }
  void meet() const {
    if (is_lost()) throw Error(ErrorCode::device_failure, "{} does not answer", name_);
    std::error_code ignored;
    if (!folder_.empty() && std::filesystem::remove(folder_ / (name_ + ".once"), ignored)) {
      throw Error(ErrorCode::device_failure, "{} fails this once", name_);
    }
  }

 private:
  std::string name_;
  std::filesystem::path folder_;
};

// Addresses are such that no program has; behind each block lie bytes of the host. With EASEL_TEST_CARD_BYTES the card
// has only so many.
class CardMemory : public Allocator {
 public:
  CardMemory(uint64_t limit_bytes, Faults faults) : limit_bytes_(limit_bytes), faults_(std::move(faults)) {}

  std::byte* allocate(uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (in_use_ + bytes > limit_bytes_) {
      throw Error(ErrorCode::out_of_memory, "the card needs {} more bytes, {} of {} are in use", bytes, in_use_,
                  limit_bytes_);
    }
    const uint64_t address = next_address_;
    next_address_ += bytes + kGap;
    blocks_.emplace(address, std::vector<std::byte>(bytes, std::byte{0xFF}));  // NaN, if anybody reads it as it is
    in_use_ += bytes;
    peak_ = std::max(peak_, in_use_);
    return reinterpret_cast<std::byte*>(address);
  }
  void release(std::byte* address, uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    EASEL_ASSERT(blocks_.erase(reinterpret_cast<uint64_t>(address)) == 1);
    in_use_ -= bytes;
  }
  uint64_t bytes_in_use() const override {
    const std::lock_guard lock(mutex_);
    return in_use_;
  }
  uint64_t peak_bytes() const override {
    const std::lock_guard lock(mutex_);
    return peak_;
  }
  void set_budget(std::optional<uint64_t> /*bytes*/) override {}
  std::optional<uint64_t> available_bytes() const override { return limit_bytes_ - bytes_in_use(); }
  bool is_host() const override { return false; }
  void write(std::byte* to, std::span<const std::byte> host) override {
    if (!host.empty()) std::memcpy(at(to, host.size()), host.data(), host.size());
  }
  void read(const std::byte* from, std::span<std::byte> host) override {
    faults_.meet();
    if (!host.empty()) std::memcpy(host.data(), at(from, host.size()), host.size());
  }
  void copy(const std::byte* from, std::byte* to, uint64_t bytes) override {
    if (bytes > 0) std::memmove(at(to, bytes), at(from, bytes), bytes);
  }

 private:
  static constexpr uint64_t kGap = 4096;

  std::byte* at(const std::byte* address, uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    auto block = blocks_.upper_bound(reinterpret_cast<uint64_t>(address));
    EASEL_ASSERT(block != blocks_.begin());
    --block;
    const uint64_t offset = reinterpret_cast<uint64_t>(address) - block->first;
    EASEL_ASSERT(offset + bytes <= block->second.size());
    return block->second.data() + offset;
  }

  const uint64_t limit_bytes_;
  const Faults faults_;
  mutable std::mutex mutex_;
  std::map<uint64_t, std::vector<std::byte>> blocks_;
  uint64_t next_address_ = uint64_t{1} << 62;
  uint64_t in_use_ = 0;
  uint64_t peak_ = 0;
};

// Each operation: its tensors to the host, there by the processor, the result back.
class CardBackend : public Backend {
 public:
  CardBackend(DType activation_type, Faults faults)
      : type_(activation_type), faults_(std::move(faults)), host_(open_device({.threads = 2})) {}

  DType activation_type() const override { return is_wide_ && type_ == DType::f16 ? DType::f32 : type_; }
  void set_range(ValueRange range) override { is_wide_ = range == ValueRange::wide; }

  void conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
              Tensor& out) override {
    Conv2dOptions on_host = options;
    if (options.image_bias) on_host.image_bias = host(*options.image_bias);
    if (options.residual) on_host.residual = host(*options.residual);
    compute(out, [&](Tensor& to) { cpu().conv2d(host(x), weight, bias, on_host, to); });
  }
  void linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
              Tensor& out) override {
    LinearOptions on_host = options;
    if (options.residual) on_host.residual = host(*options.residual);
    compute(out, [&](Tensor& to) { cpu().linear(host(x), weight, bias, on_host, to); });
  }
  void linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().linear_geglu(host(x), weight, bias, to); });
  }
  void attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                 Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().attention(host(q), host(k), host(v), options, to); });
  }
  void group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups, float epsilon,
                  Activation activation, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().group_norm(host(x), weight, bias, groups, epsilon, activation, to); });
  }
  void channel_sums(const Tensor& x, const Tensor& pivot, const Tensor* before, Tensor& sums) override {
    Tensor to = before == nullptr ? Tensor::empty(*host_, sums.shape(), DType::f64) : doubles(*before);
    cpu().channel_sums(host(x), host(pivot), before == nullptr ? nullptr : &to, to);
    sums.device().allocator().write(sums.address(), std::as_bytes(to.data<double>()));
  }
  void group_norm_scales(const Tensor& sums, const Tensor& pivot, int64_t pixels, const Parameter& weight,
                         const Parameter& bias, int64_t groups, float epsilon, Tensor& out) override {
    compute(out, [&](Tensor& to) {
      cpu().group_norm_scales(doubles(sums), host(pivot), pixels, weight, bias, groups, epsilon, to);
    });
  }
  void scale_shift(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().scale_shift(host(x), host(scales), activation, to); });
  }
  void layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon,
                  Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().layer_norm(host(x), weight, bias, epsilon, to); });
  }
  void embedding(const Tensor& ids, const Parameter& table, Tensor& out) override {
    const std::vector<int32_t> numbers = ids.integers();
    const Tensor on_host = Tensor::from(*host_, ids.shape(), std::span<const int32_t>(numbers));
    compute(out, [&](Tensor& to) { cpu().embedding(on_host, table, to); });
  }
  void activate(const Tensor& x, Activation activation, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().activate(host(x), activation, to); });
  }
  void copy(const Tensor& x, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().copy(host(x), to); });
  }
  void upsample_nearest_2x(const Tensor& x, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().upsample_nearest_2x(host(x), to); });
  }
  void resize(const Tensor& x, const ResizeOptions& options, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().resize(host(x), options, to); });
  }
  void max_pool(const Tensor& x, const PoolOptions& options, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().max_pool(host(x), options, to); });
  }
  void concat_channels(const Tensor& a, const Tensor& b, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().concat_channels(host(a), host(b), to); });
  }
  void combine(std::span<const Term> terms, float constant, Tensor& out) override {
    std::vector<Tensor> tensors;
    for (const Term& term : terms) tensors.push_back(host(*term.tensor));
    std::vector<Term> on_host;
    for (size_t i = 0; i < terms.size(); ++i) on_host.push_back({terms[i].factor, &tensors[i]});
    compute(out, [&](Tensor& to) { cpu().combine(on_host, constant, to); });
  }
  void multiply(const Tensor& a, const Tensor& b, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().multiply(host(a), host(b), to); });
  }
  void clamp(const Tensor& x, float low, float high, Tensor& out) override {
    compute(out, [&](Tensor& to) { cpu().clamp(host(x), low, high, to); });
  }

 private:
  Backend& cpu() const { return host_->backend(); }
  Tensor host(const Tensor& x) const { return Tensor::from(*host_, x.shape(), std::span<const float>(x.values())); }
  Tensor doubles(const Tensor& x) const {
    Tensor out = Tensor::empty(*host_, x.shape(), DType::f64);
    x.device().allocator().read(x.address(), std::as_writable_bytes(out.data<double>()));
    return out;
  }
  template <typename Operation>
  void compute(Tensor& out, const Operation& operation) const {
    faults_.meet();
    Tensor on_host = Tensor::empty(*host_, out.shape());
    operation(on_host);
    std::vector<std::byte> bytes(static_cast<size_t>(out.count() * size_of(out.dtype())));
    convert_from_f32(out.dtype(), on_host.data(), bytes);
    out.device().allocator().write(out.address(), bytes);
  }

  DType type_;
  Faults faults_;
  bool is_wide_ = false;
  std::shared_ptr<const Device> host_;
};

uint64_t card_bytes() {
  const char* const bytes = std::getenv("EASEL_TEST_CARD_BYTES");
  return bytes == nullptr ? kCardBytes : std::strtoull(bytes, nullptr, 10);
}

// EASEL_TEST_CARD_TYPE: what the card computes in, if nobody says otherwise.
DType best_type() {
  const char* const name = std::getenv("EASEL_TEST_CARD_TYPE");
  return name != nullptr && std::string_view(name) == "f16" ? DType::f16 : DType::f32;
}

int card_count() {
  const char* const count = std::getenv("EASEL_TEST_CARDS");
  return count == nullptr ? 1 : std::atoi(count);
}

class CardPlugin : public DevicePlugin {
 public:
  std::vector<CardInfo> cards() const override {
    std::vector<CardInfo> cards;
    for (int index = 0; index < card_count(); ++index) {
      cards.push_back({.name = "Test card",
                       .details = "made of host memory",
                       .total_bytes = card_bytes(),
                       .free_bytes = card_bytes()});
      if (Faults(index).is_lost()) cards.back().unusable_because = "it does not answer";
    }
    cards.push_back(
        {.name = "Old card", .details = "", .unusable_because = "its compute capability is 1.0, expected 7.5"});
    return cards;
  }
  OpenedCard open(const CardOptions& options) const override {
    EASEL_ASSERT(options.index < card_count());
    const Faults faults(options.index);
    return {.allocator = std::make_unique<CardMemory>(std::min(card_bytes(), options.memory_limit_bytes), faults),
            .backend = std::make_shared<CardBackend>(options.activation_type.value_or(best_type()), faults)};
  }
};

}  // namespace

EASEL_EXPORT_DEVICES(CardPlugin)
