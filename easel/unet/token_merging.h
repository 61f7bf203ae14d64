// TokenMerging: attention over fewer tokens, the most alike of which are averaged (Bolya & Hoffman 2023, "Token Merging
// for Fast Stable Diffusion").
#pragma once

#include <cstdint>
#include <vector>

#include "easel/tensor/tensor.h"

namespace easel {

// The shares of tokens that can go: one of each 2x2 stays.
inline constexpr double kMaxTokenMergingRatio = 0.75;

struct TokenMergingConfig {
  double ratio;  // of the tokens that go, 0 to kMaxTokenMergingRatio
  int64_t rows;  // of the feature map: tokens are its pixels, row by row
  int64_t columns;
  // Chooses the token of each 2x2 that stays: one for each image of the batch, so that an image does not depend on the
  // others.
  std::vector<uint64_t> seeds;
};

class TokenMerging {
 public:
  // Finds out who is merged with whom: of each 2x2 tokens one stays; of the others the `ratio` of all tokens that are
  // most like one of those become a part of it. tokens [n, rows columns, d]
  TokenMerging(const Tensor& tokens, const TokenMergingConfig& config);

  // tokens [n, t, d] -> averages [n, merged, d]
  Tensor merge(const Tensor& tokens) const;
  // merged [n, merged, d] -> [n, t, d]: each token gets that of which it is a part
  Tensor unmerge(const Tensor& merged) const;

  int64_t merged_tokens() const { return merged_tokens_; }

 private:
  int64_t merged_tokens_;
  std::vector<std::vector<int64_t>> places_;  // for each image and token: the merged one that it is a part of
};

}  // namespace easel
