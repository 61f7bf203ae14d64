#include "easel/sampling/brownian.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "easel/base/error.h"
#include "easel/tensor/layout.h"

namespace easel {
namespace {

constexpr size_t kPoolSize = 24;

// The hash of numpy.random.SeedSequence, after O'Neill's seed_seq_fe.
class HashMix {
 public:
  HashMix(uint32_t start, uint32_t multiplier) : constant_(start), multiplier_(multiplier) {}
  uint32_t operator()(uint32_t value) {
    value ^= constant_;
    constant_ *= multiplier_;
    value *= constant_;
    return value ^ value >> 16;
  }

 private:
  uint32_t constant_;
  uint32_t multiplier_;
};

uint32_t mixed(uint32_t x, uint32_t y) {
  const uint32_t result = 0xca01f9dd * x - 0x4973f715 * y;
  return result ^ result >> 16;
}

void append_words(std::vector<uint32_t>& words, uint64_t value) {
  words.push_back(static_cast<uint32_t>(value));
  if (value >> 32 != 0) words.push_back(static_cast<uint32_t>(value >> 32));
}

std::vector<uint32_t> words_of(uint64_t seed) {
  std::vector<uint32_t> words;
  append_words(words, seed);
  return words;
}

// Python's round(time, 6): correctly rounded decimals.
double rounded(double time) { return std::strtod(fmt::format("{:.6f}", time).c_str(), nullptr); }

}  // namespace

std::vector<uint32_t> seed_words(std::vector<uint32_t> entropy, const std::vector<uint64_t>& spawn_key,
                                 size_t pool_size, size_t count) {
  std::vector<uint32_t>& words = entropy;
  if (!spawn_key.empty()) words.resize(std::max(words.size(), pool_size), 0);
  for (const uint64_t key : spawn_key) append_words(words, key);

  HashMix hash(0x43b0d7e5, 0x931e8875);
  std::vector<uint32_t> pool(pool_size);
  for (size_t i = 0; i < pool_size; ++i) pool[i] = hash(i < words.size() ? words[i] : 0);
  for (size_t from = 0; from < pool_size; ++from) {
    for (size_t to = 0; to < pool_size; ++to) {
      if (from != to) pool[to] = mixed(pool[to], hash(pool[from]));
    }
  }
  for (size_t from = pool_size; from < words.size(); ++from) {
    for (size_t to = 0; to < pool_size; ++to) pool[to] = mixed(pool[to], hash(words[from]));
  }

  HashMix output(0x8b51f9dd, 0x58f38ded);
  std::vector<uint32_t> state(count);
  for (size_t i = 0; i < count; ++i) state[i] = output(pool[i % pool_size]);
  return state;
}

// An interval of the tree and the increment over it.
struct BrownianTree::Node {
  double begin, end;
  uint64_t spawn_key, depth;
  std::vector<float> w;
};

BrownianTree::BrownianTree(RngKind kind, uint64_t seed, double t_begin, double t_end, int64_t count)
    : kind_(kind), seed_(seed), t_begin_(t_begin), t_end_(t_end), count_(count) {
  EASEL_ASSERT(t_begin < t_end && count > 0);
}

std::vector<float> BrownianTree::randn(uint32_t seed) const { return make_generator(kind_, seed)->randn(count_); }

std::vector<float> BrownianTree::increment(double from, double to) const {
  Node root{.begin = rounded(t_begin_), .end = rounded(t_end_), .spawn_key = 0, .depth = 0, .w = {}};
  root.w = randn(seed_words(words_of(seed_), {}, kPoolSize, 3)[0]);
  const auto scale = static_cast<float>(std::sqrt(t_end_ - t_begin_));
  for (float& value : root.w) value *= scale;
  std::vector<float> sum(root.w.size(), 0.0f);
  from = rounded(std::clamp(from, root.begin, root.end));
  to = rounded(std::clamp(to, root.begin, root.end));
  if (from < to) add(root, from, to, sum);
  return sum;
}

// Adds the increment over [from, to], which lies in the node.
void BrownianTree::add(const Node& node, double from, double to, std::vector<float>& sum) const {
  if (from == node.begin && to == node.end) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += node.w[i];
    return;
  }
  const double middle = rounded(0.5 * (node.end + node.begin));
  const double reciprocal = 1.0 / (node.end - node.begin);
  const auto left_part = static_cast<float>(middle - node.begin);
  const auto inverse = static_cast<float>(reciprocal);
  const auto bridge_std = static_cast<float>(std::sqrt((middle - node.begin) * (node.end - middle) * reciprocal));
  Node left{.begin = node.begin, .end = middle, .spawn_key = 2 * node.spawn_key, .depth = node.depth + 1, .w = {}};
  Node right{.begin = middle, .end = node.end, .spawn_key = left.spawn_key + 1, .depth = left.depth, .w = node.w};
  left.w = randn(seed_words(words_of(seed_), {node.spawn_key, node.depth}, kPoolSize, 4)[0]);
  for (size_t i = 0; i < sum.size(); ++i) {
    left.w[i] = left_part * node.w[i] * inverse + bridge_std * left.w[i];
    right.w[i] -= left.w[i];
  }
  if (from < middle) add(left, from, std::min(to, middle), sum);
  if (to > middle) add(right, std::max(from, middle), to, sum);
}

BrownianNoise::BrownianNoise(NoiseSource& white, RngKind kind, std::vector<uint64_t> seeds, const Plan& plan)
    : white_(white), kind_(kind), seeds_(std::move(seeds)) {
  EASEL_ASSERT(!plan.steps.empty());
  const Step& last = plan.steps.back();
  sigma_max_ = plan.steps.front().at.sigma;
  sigma_min_ = last.next.sigma > 0.0 ? last.next.sigma : last.at.sigma;
  if (sigma_min_ == sigma_max_) sigma_min_ = 0.0;  // a single step to 0
}

Tensor BrownianNoise::draw_between(const Tensor& x, double sigma, double sigma_next) {
  const Shape& shape = x.shape();
  // The reference keeps sigmas in float32, and so the times.
  const double from = static_cast<float>(sigma_next), to = static_cast<float>(sigma);
  const auto scale = static_cast<float>(-1.0 / std::sqrt(to - from));
  std::vector<float> values;
  EASEL_ASSERT(shape.dim(0) == static_cast<int64_t>(seeds_.size()));
  for (const uint64_t seed : seeds_) {
    const BrownianTree tree(kind_, seed, static_cast<float>(sigma_min_), static_cast<float>(sigma_max_),
                            shape.count() / shape.dim(0));
    for (const float value : tree.increment(from, to)) values.push_back(value * scale);
  }
  return from_nchw(x.device(), shape[0], shape[3], shape[1], shape[2], values);
}

}  // namespace easel
