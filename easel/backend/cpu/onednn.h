// oneDNN primitives, created once per shape and kept. The library's versions 2 and 3 differ in how they are described.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "easel/backend/backend.h"

namespace easel::cpu {

// Products of x and of weights that are rounded to bf16; sums, biases, residuals and results are f32.
class OneDnn {
 public:
  OneDnn();
  ~OneDnn();
  OneDnn(const OneDnn&) = delete;
  OneDnn& operator=(const OneDnn&) = delete;

  // out = activation(conv(x, weight) + bias) + residual, for out [n, h', w', c_out].
  void convolution(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
                   Tensor& out);
  // out = activation(x W^T + bias) + residual. x [rows, d_in], out [rows, d_out]; the weight's packed form is kept.
  void matmul(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
              Tensor& out);

 private:
  struct Engine;
  struct Primitive;
  using Key = std::vector<int64_t>;
  template <typename Create>
  const Primitive& cached(const Key& key, const Create& create);
  void run(const Primitive& primitive, const Tensor& x, const Parameter& weight, const Parameter* bias,
           const std::optional<Tensor>& residual, Tensor& out);

  int layout_of(const Primitive& primitive);

  std::unique_ptr<Engine> engine_;
  std::mutex mutex_;
  std::map<Key, std::unique_ptr<Primitive>> primitives_;
};

}  // namespace easel::cpu
