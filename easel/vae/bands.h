// Activations in bands of rows: what is computed from them, and never held, as a whole (docs/adr/0012).
#pragma once

#include <functional>
#include <optional>

#include "easel/nn/conv2d.h"
#include "easel/ops/ops.h"

namespace easel {

// How much of the finest activations the VAE holds.
enum class VaeBands {
  none,        // all that layers make of each other
  kept,        // the input of a block and what lies between its two convolutions
  recomputed,  // the input; what lies between is computed once for its sums and once more for the result
};

// Rows of a band of an activation of this width: enough of them for the transforms of weights to pay.
int64_t band_rows(int64_t width);

// An activation [1, h, w, c] whose bands are read in rising order; any other order costs time.
class Bands {
 public:
  Bands(const Device& device, const Shape& shape, int64_t rows) : device_(device), shape_(shape), rows_(rows) {}
  virtual ~Bands() = default;
  Bands(const Bands&) = delete;
  Bands& operator=(const Bands&) = delete;

  const Device& device() const { return device_; }
  const Shape& shape() const { return shape_; }
  int64_t rows() const { return rows_; }  // of each band but the last
  int64_t count() const { return (shape_[1] + rows_ - 1) / rows_; }
  virtual Tensor at(int64_t index) = 0;  // [1, rows, w, c]; it may be a part of a tensor that is about to change

 private:
  const Device& device_;
  Shape shape_;
  int64_t rows_;
};

class StoredBands : public Bands {
 public:
  StoredBands(const Tensor& whole, int64_t rows) : Bands(whole.device(), whole.shape(), rows), whole_(whole) {}
  Tensor at(int64_t index) override;

 private:
  Tensor whole_;
};

// What a convolution sees: bands of `source`, and what happens to them first.
struct ConvolutionInput {
  Bands& source;
  std::function<void(const Tensor& band, Tensor& out)> prepare;
  int64_t enlarged = 1;  // prepare makes so many rows and columns of one
};
ConvolutionInput normalised(Bands& source, const Tensor& scales);  // group norm, then silu
ConvolutionInput enlarged_2x(Bands& source);
ConvolutionInput unchanged(Bands& source);

// The bands of a 3x3 convolution. It reads one band of its input ahead.
class ConvolvedBands : public Bands {
 public:
  using Residual = std::function<Tensor(int64_t band)>;
  ConvolvedBands(ConvolutionInput input, const Conv2d& conv, Residual residual = {});
  Tensor at(int64_t index) override;

 private:
  bool is_circular() const { return conv_.window().padding.mode == PaddingMode::circular; }
  int64_t input_rows(int64_t band) const;  // as prepared; 0 beyond the image
  void begin(int64_t index);
  // The prepared band into rows of `window` from `row` on.
  void read(int64_t band, Tensor& window, int64_t row);
  Tensor empty_window(int64_t rows) const;

  ConvolutionInput input_;
  const Conv2d& conv_;
  Residual residual_;
  int64_t next_ = -1;                // the band that window_ is ready for
  bool has_row_above_ = false;       // window_ begins with the last row of the band before
  std::optional<Tensor> window_;     // [1, (1 +) rows (+ rows of the following band), w, c]
  std::optional<Tensor> first_row_;  // of the image, which follows its last row in a circle
};

// An activation that is held, and what the next normalisation has to know of it.
struct SummedTensor {
  Tensor tensor;
  ops::ChannelSums sums;
};
ops::ChannelSums sums_of(Bands& bands);
SummedTensor stored(Bands& bands);
// Writes `bands` over `storage`, which they are computed from: every band only once it has been read.
SummedTensor stored_over(Bands& bands, Tensor storage);

}  // namespace easel
