#include "easel/backend/profile.h"

#include <algorithm>
#include <numeric>

namespace easel {
namespace {

double size_of_tensor(const Tensor& tensor) { return static_cast<double>(tensor.count() * size_of(tensor.dtype())); }
double size_of_weight(const Parameter& weight) { return static_cast<double>(weight.bytes().size()); }

// 2 for each weight and row of the result.
double product_flops(const Parameter& weight, const Tensor& out, int64_t out_channels) {
  const int64_t rows = out.count() / out_channels;
  return 2.0 * static_cast<double>(weight.shape().count()) * static_cast<double>(rows);
}

class ProfilingBackend : public Backend {
 public:
  ProfilingBackend(std::shared_ptr<Backend> inner, std::shared_ptr<Profile> profile)
      : inner_(std::move(inner)), profile_(std::move(profile)) {}

  DType activation_type() const override { return inner_->activation_type(); }
  void set_range(ValueRange range) override { inner_->set_range(range); }
  void wait() override { inner_->wait(); }
  void conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
              Tensor& out) override {
    const auto family = weight.shape()[2] == 1 ? OpFamily::conv1x1 : OpFamily::conv3x3;
    record(family, x, out, product_flops(weight, out, out.dim(3)), size_of_weight(weight),
           [&] { inner_->conv2d(x, weight, bias, options, out); });
  }
  void linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
              Tensor& out) override {
    record(OpFamily::linear, x, out, product_flops(weight, out, out.dim(-1)), size_of_weight(weight),
           [&] { inner_->linear(x, weight, bias, options, out); });
  }
  void linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) override {
    record(OpFamily::linear, x, out, product_flops(weight, out, out.dim(-1)), size_of_weight(weight),
           [&] { inner_->linear_geglu(x, weight, bias, out); });
  }
  void attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                 Tensor& out) override {
    const double flops = 4.0 * static_cast<double>(q.count()) * static_cast<double>(k.dim(1));
    record(OpFamily::attention, q, out, flops, size_of_tensor(k) + size_of_tensor(v),
           [&] { inner_->attention(q, k, v, options, out); });
  }
  void group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups, float epsilon,
                  Activation activation, Tensor& out) override {
    record(OpFamily::normalization, x, out, 0.0, 0.0,
           [&] { inner_->group_norm(x, weight, bias, groups, epsilon, activation, out); });
  }
  void channel_sums(const Tensor& x, const Tensor& pivot, const Tensor* before, Tensor& sums) override {
    record(OpFamily::normalization, x, sums, 0.0, 0.0, [&] { inner_->channel_sums(x, pivot, before, sums); });
  }
  void group_norm_scales(const Tensor& sums, const Tensor& pivot, int64_t pixels, const Parameter& weight,
                         const Parameter& bias, int64_t groups, float epsilon, Tensor& out) override {
    record(OpFamily::normalization, sums, out, 0.0, 0.0,
           [&] { inner_->group_norm_scales(sums, pivot, pixels, weight, bias, groups, epsilon, out); });
  }
  void scale_shift(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) override {
    record(OpFamily::normalization, x, out, 0.0, 0.0, [&] { inner_->scale_shift(x, scales, activation, out); });
  }
  void layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon,
                  Tensor& out) override {
    record(OpFamily::normalization, x, out, 0.0, 0.0, [&] { inner_->layer_norm(x, weight, bias, epsilon, out); });
  }
  void embedding(const Tensor& ids, const Parameter& table, Tensor& out) override {
    record(OpFamily::movement, ids, out, 0.0, 0.0, [&] { inner_->embedding(ids, table, out); });
  }
  void activate(const Tensor& x, Activation activation, Tensor& out) override {
    record(OpFamily::elementwise, x, out, 0.0, 0.0, [&] { inner_->activate(x, activation, out); });
  }
  void copy(const Tensor& x, Tensor& out) override {
    record(OpFamily::movement, x, out, 0.0, 0.0, [&] { inner_->copy(x, out); });
  }
  void upsample_nearest_2x(const Tensor& x, Tensor& out) override {
    record(OpFamily::movement, x, out, 0.0, 0.0, [&] { inner_->upsample_nearest_2x(x, out); });
  }
  void resize(const Tensor& x, const ResizeOptions& options, Tensor& out) override {
    record(OpFamily::movement, x, out, 0.0, 0.0, [&] { inner_->resize(x, options, out); });
  }
  void max_pool(const Tensor& x, const PoolOptions& options, Tensor& out) override {
    record(OpFamily::movement, x, out, 0.0, 0.0, [&] { inner_->max_pool(x, options, out); });
  }
  void concat_channels(const Tensor& a, const Tensor& b, Tensor& out) override {
    record(OpFamily::movement, a, out, 0.0, size_of_tensor(b), [&] { inner_->concat_channels(a, b, out); });
  }
  void combine(std::span<const Term> terms, float constant, Tensor& out) override {
    const double others = static_cast<double>(terms.size() - 1) * size_of_tensor(out);
    record(OpFamily::elementwise, out, out, 0.0, others, [&] { inner_->combine(terms, constant, out); });
  }
  void multiply(const Tensor& a, const Tensor& b, Tensor& out) override {
    record(OpFamily::elementwise, a, out, 0.0, size_of_tensor(b), [&] { inner_->multiply(a, b, out); });
  }
  void clamp(const Tensor& x, float low, float high, Tensor& out) override {
    record(OpFamily::elementwise, x, out, 0.0, 0.0, [&] { inner_->clamp(x, low, high, out); });
  }

 private:
  template <typename Operation>
  void record(OpFamily family, const Tensor& in, const Tensor& out, double flops, double more_bytes,
              const Operation& operation) {
    const auto start = std::chrono::steady_clock::now();
    operation();
    inner_->wait();  // a card computes while the host goes on
    profile_->add({.family = family,
                   .shape = fmt::format("{} -> {}", in.shape(), out.shape()),
                   .start = start,
                   .duration = std::chrono::steady_clock::now() - start,
                   .flops = flops,
                   .bytes = size_of_tensor(in) + size_of_tensor(out) + more_bytes});
  }

  std::shared_ptr<Backend> inner_;
  std::shared_ptr<Profile> profile_;
};

}  // namespace

std::string_view name_of(OpFamily family) {
  switch (family) {
    case OpFamily::conv3x3: return "conv3x3";
    case OpFamily::conv1x1: return "conv1x1";
    case OpFamily::linear: return "linear";
    case OpFamily::attention: return "attention";
    case OpFamily::normalization: return "normalization";
    case OpFamily::elementwise: return "elementwise";
    case OpFamily::movement: break;
  }
  return "movement";
}

double Profile::flops() const {
  return std::accumulate(records_.begin(), records_.end(), 0.0,
                         [](double sum, const OpRecord& record) { return sum + record.flops; });
}

std::vector<FamilyTotal> totals_by_family(const Profile& profile) {
  std::vector<FamilyTotal> totals;
  for (const OpRecord& record : profile.records()) {
    auto total = std::ranges::find(totals, record.family, &FamilyTotal::family);
    if (total == totals.end()) total = totals.insert(totals.end(), FamilyTotal{.family = record.family});
    ++total->calls;
    total->seconds += record.duration.count();
    total->flops += record.flops;
    total->bytes += record.bytes;
  }
  std::ranges::sort(totals, std::ranges::greater(), &FamilyTotal::seconds);
  return totals;
}

std::unique_ptr<Backend> make_profiling_backend(std::shared_ptr<Backend> inner, std::shared_ptr<Profile> profile) {
  return std::make_unique<ProfilingBackend>(std::move(inner), std::move(profile));
}

}  // namespace easel
