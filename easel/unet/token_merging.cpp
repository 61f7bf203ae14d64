#include "easel/unet/token_merging.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "easel/ops/ops.h"

namespace easel {
namespace {

constexpr int64_t kStride = 2;         // of the grid of tokens that stay
constexpr int64_t kRowsAtOnce = 1024;  // of similarities: a few megabytes
constexpr float kLeastNorm = 1e-12f;   // a token of zeros is like no other

// A number that looks random: the finaliser of Steele et al. 2014 (SplitMix64).
uint64_t scrambled(uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

// The tokens of one image, by what becomes of them.
struct Partition {
  std::vector<int64_t> staying;  // one of each whole 2x2
  std::vector<int64_t> others;
};

Partition partition(const TokenMergingConfig& config, uint64_t seed) {
  std::vector<bool> stays(static_cast<size_t>(config.rows * config.columns), false);
  for (int64_t row = 0; row + kStride <= config.rows; row += kStride) {
    for (int64_t column = 0; column + kStride <= config.columns; column += kStride) {
      const uint64_t choice = scrambled(seed ^ scrambled(static_cast<uint64_t>(row * config.columns + column)));
      const auto y = row + static_cast<int64_t>(choice & 1), x = column + static_cast<int64_t>((choice >> 1) & 1);
      stays[static_cast<size_t>(y * config.columns + x)] = true;
    }
  }
  Partition out;
  for (int64_t token = 0; token < config.rows * config.columns; ++token) {
    (stays[static_cast<size_t>(token)] ? out.staying : out.others).push_back(token);
  }
  return out;
}

// Rows of `tokens` [t, d], each divided by its length.
std::vector<float> directions(std::span<const float> tokens, const std::vector<int64_t>& rows, size_t d) {
  std::vector<float> out;
  out.reserve(rows.size() * d);
  for (const int64_t row : rows) {
    const auto token = tokens.subspan(static_cast<size_t>(row) * d, d);
    const float norm = std::sqrt(std::inner_product(token.begin(), token.end(), token.begin(), 0.0f));
    for (const float value : token) out.push_back(value / std::max(norm, kLeastNorm));
  }
  return out;
}

struct Match {
  size_t other;  // index among those that may go
  size_t staying;
  float similarity;  // cosine
};

// For each of `others` [s, d] the most similar of `staying` [t, d]: a matrix product, some rows at a time.
std::vector<Match> best_matches(const Device& device, const std::vector<float>& others, std::vector<float> staying,
                                size_t d) {
  const auto width = static_cast<int64_t>(d);
  const auto count = static_cast<int64_t>(staying.size() / d), rows = static_cast<int64_t>(others.size() / d);
  const auto kept = std::make_shared<std::vector<float>>(std::move(staying));
  const Parameter weight({.name = "tokens that stay",
                          .shape = {count, width},
                          .dtype = DType::f32,
                          .bytes = std::as_bytes(std::span(*kept)),
                          .owner = kept},
                         Residency::streamed);
  std::vector<Match> matches;
  for (int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    const int64_t end = std::min(begin + kRowsAtOnce, rows);
    const auto part = std::span(others).subspan(static_cast<size_t>(begin) * d, static_cast<size_t>(end - begin) * d);
    const Tensor x = Tensor::from(device, {end - begin, width}, std::span<const float>(part));
    const std::vector<float> similarities = ops::linear(x, weight, std::nullopt).values();  // [end - begin, count]
    for (int64_t row = begin; row < end; ++row) {
      const auto first = similarities.begin() + (row - begin) * count;
      const auto best = std::max_element(first, first + count);
      matches.push_back(
          {.other = static_cast<size_t>(row), .staying = static_cast<size_t>(best - first), .similarity = *best});
    }
  }
  return matches;
}

// -> for each token of an image [t, d] the merged token that it is a part of: first those that stay, then the rest
std::vector<int64_t> places(const Device& device, std::span<const float> tokens, const TokenMergingConfig& config,
                            uint64_t seed, int64_t merged_away) {
  const auto [staying, others] = partition(config, seed);
  const size_t d = tokens.size() / static_cast<size_t>(config.rows * config.columns);
  std::vector<Match> matches = best_matches(device, directions(tokens, others, d), directions(tokens, staying, d), d);
  // The most similar first; of equals the first token, so that the order does not depend on the sorting.
  std::stable_sort(matches.begin(), matches.end(),
                   [](const Match& a, const Match& b) { return a.similarity > b.similarity; });
  std::vector<int64_t> place(static_cast<size_t>(config.rows * config.columns));
  for (size_t i = 0; i < staying.size(); ++i) place[static_cast<size_t>(staying[i])] = static_cast<int64_t>(i);
  auto next = static_cast<int64_t>(staying.size());
  for (size_t i = 0; i < matches.size(); ++i) {
    const auto token = static_cast<size_t>(others[matches[i].other]);
    const bool goes = i < static_cast<size_t>(merged_away);
    place[token] = goes ? static_cast<int64_t>(matches[i].staying) : next++;
  }
  return place;
}

}  // namespace

TokenMerging::TokenMerging(const Tensor& tokens, const TokenMergingConfig& config) {
  const int64_t n = tokens.dim(0), t = tokens.dim(1);
  EASEL_ASSERT(t == config.rows * config.columns && static_cast<int64_t>(config.seeds.size()) == n);
  EASEL_ASSERT(config.rows >= kStride && config.columns >= kStride);
  const int64_t staying = (config.rows / kStride) * (config.columns / kStride);
  const int64_t merged_away = std::min(static_cast<int64_t>(static_cast<double>(t) * config.ratio), t - staying);
  merged_tokens_ = t - merged_away;
  for (int64_t image = 0; image < n; ++image) {
    const std::vector<float> values = tokens.slice(image, image + 1).values();
    places_.push_back(places(tokens.device(), values, config, config.seeds[static_cast<size_t>(image)], merged_away));
  }
}

Tensor TokenMerging::merge(const Tensor& tokens) const {
  const int64_t n = tokens.dim(0);
  const auto d = static_cast<size_t>(tokens.dim(2));
  const std::vector<float> values = tokens.values();
  std::vector<float> merged(static_cast<size_t>(n * merged_tokens_) * d, 0.0f);
  for (size_t image = 0; image < places_.size(); ++image) {
    std::vector<float> parts(static_cast<size_t>(merged_tokens_), 0.0f);
    float* const to = merged.data() + image * parts.size() * d;
    const float* from = values.data() + image * places_[image].size() * d;
    for (const int64_t place : places_[image]) {
      float* const sum = to + static_cast<size_t>(place) * d;
      for (size_t i = 0; i < d; ++i) sum[i] += from[i];
      parts[static_cast<size_t>(place)] += 1.0f;
      from += d;
    }
    for (size_t place = 0; place < parts.size(); ++place) {
      if (parts[place] == 1.0f) continue;
      for (size_t i = 0; i < d; ++i) to[place * d + i] /= parts[place];
    }
  }
  return Tensor::from(tokens.device(), {n, merged_tokens_, tokens.dim(2)}, std::span<const float>(merged));
}

Tensor TokenMerging::unmerge(const Tensor& merged) const {
  const int64_t n = merged.dim(0);
  const auto d = static_cast<size_t>(merged.dim(2));
  const std::vector<float> values = merged.values();
  const auto t = static_cast<int64_t>(places_.front().size());
  std::vector<float> tokens(static_cast<size_t>(n * t) * d);
  float* to = tokens.data();
  for (size_t image = 0; image < places_.size(); ++image) {
    const float* const from = values.data() + image * static_cast<size_t>(merged_tokens_) * d;
    for (const int64_t place : places_[image]) {
      std::copy_n(from + static_cast<size_t>(place) * d, d, to);
      to += d;
    }
  }
  return Tensor::from(merged.device(), {n, t, merged.dim(2)}, std::span<const float>(tokens));
}

}  // namespace easel
