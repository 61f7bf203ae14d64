#include "easel/vae/bands.h"

#include <algorithm>
#include <numeric>

namespace easel {
namespace {

constexpr int64_t kPixels = 4096;     // of a band, about
constexpr int64_t kTileRows = 8;      // bands begin where tiles of Winograd's algorithm do, before and after enlarging
constexpr int64_t kChunkPixels = 64;  // that sums are gathered from at a time

// Rows [begin, end) of x [1, h, w, c], the same memory.
Tensor rows_of(const Tensor& x, int64_t begin, int64_t end) {
  const Tensor rows = x.reshape({x.dim(1), x.dim(2), x.dim(3)}).slice(begin, end);
  return rows.reshape({1, end - begin, x.dim(2), x.dim(3)});
}

Tensor copied(const Tensor& x) {
  Tensor out = ops::empty(x.device(), x.shape());
  ops::copy_into(x, out);
  return out;
}

int64_t rounded_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

}  // namespace

int64_t band_rows(int64_t width) {
  const int64_t whole_chunks = kChunkPixels / std::gcd(kChunkPixels, width);
  return rounded_up((kPixels + width - 1) / width, std::lcm(kTileRows, whole_chunks));
}

Tensor StoredBands::at(int64_t index) {
  return rows_of(whole_, index * rows(), std::min(shape()[1], (index + 1) * rows()));
}

ConvolutionInput normalised(Bands& source, const Tensor& scales) {
  return {.source = source, .prepare = [scales](const Tensor& band, Tensor& out) {
            ops::scale_shift_into(band, scales, Activation::silu, out);
          }};
}

ConvolutionInput enlarged_2x(Bands& source) {
  return {.source = source, .prepare = ops::upsample_nearest_2x_into, .enlarged = 2};
}

ConvolutionInput unchanged(Bands& source) { return {.source = source, .prepare = ops::copy_into}; }

namespace {

Shape convolved_shape(const ConvolutionInput& input, const Conv2d& conv) {
  const Shape& in = input.source.shape();
  const int64_t stride = conv.window().stride;
  return {1, in[1] * input.enlarged / stride, in[2] * input.enlarged / stride, conv.c_out()};
}

}  // namespace

ConvolvedBands::ConvolvedBands(ConvolutionInput input, const Conv2d& conv, Residual residual)
    : Bands(input.source.device(), convolved_shape(input, conv),
            input.source.rows() * input.enlarged / conv.window().stride),
      input_(std::move(input)),
      conv_(conv),
      residual_(std::move(residual)) {
  EASEL_ASSERT(conv.window().kernel == 3 && conv.window().padding.top <= 1 && conv.window().padding.bottom == 1);
}

int64_t ConvolvedBands::input_rows(int64_t band) const {
  const int64_t first = band * input_.source.rows();
  return std::max<int64_t>(0, std::min(input_.source.rows(), input_.source.shape()[1] - first)) * input_.enlarged;
}

Tensor ConvolvedBands::empty_window(int64_t rows) const {
  const Shape& in = input_.source.shape();
  return ops::empty(device(), {1, rows, in[2] * input_.enlarged, in[3]});
}

void ConvolvedBands::read(int64_t band, Tensor& window, int64_t row) {
  Tensor part = rows_of(window, row, row + input_rows(band));
  input_.prepare(input_.source.at(band), part);
}

void ConvolvedBands::begin(int64_t index) {
  const bool looks_up = conv_.window().padding.top == 1;
  has_row_above_ = looks_up && (index > 0 || is_circular());
  const int64_t above = has_row_above_ ? 1 : 0;
  Tensor window = empty_window(above + input_rows(index) + input_rows(index + 1));
  if (has_row_above_) {
    const int64_t before = index > 0 ? index - 1 : count() - 1;
    Tensor band = empty_window(input_rows(before));
    read(before, band, 0);
    Tensor row = rows_of(window, 0, 1);
    ops::copy_into(rows_of(band, band.dim(1) - 1, band.dim(1)), row);
  }
  read(index, window, above);
  if (is_circular() && index == 0) first_row_ = copied(rows_of(window, above, above + 1));
  if (is_circular() && !first_row_) {
    Tensor band = empty_window(input_rows(0));
    read(0, band, 0);
    first_row_ = copied(rows_of(band, 0, 1));
    read(index, window, above);  // the source goes on from here
  }
  if (input_rows(index + 1) > 0) read(index + 1, window, above + input_rows(index));
  window_ = window;
  next_ = index;
}

Tensor ConvolvedBands::at(int64_t index) {
  if (index != next_) begin(index);
  const int64_t above = has_row_above_ ? 1 : 0;
  const int64_t end = above + input_rows(index);
  const bool is_last = input_rows(index + 1) == 0;
  std::optional<Tensor> seen;
  if (!is_last) {
    seen = rows_of(*window_, 0, end + 1);
  } else if (is_circular()) {
    seen = empty_window(end + 1);
    Tensor inside = rows_of(*seen, 0, end);
    Tensor below = rows_of(*seen, end, end + 1);
    ops::copy_into(*window_, inside);
    ops::copy_into(*first_row_, below);
  } else {
    seen = window_;
  }
  const bool has_row_below = !is_last || is_circular();
  const Tensor out = conv_.on_band(*seen, {.top = !has_row_above_, .bottom = !has_row_below},
                                   {.residual = residual_ ? std::optional(residual_(index)) : std::nullopt});
  seen.reset();
  if (is_last) {
    window_.reset();
    next_ = -1;
    return out;
  }
  const int64_t kept = conv_.window().padding.top == 1 ? end - 1 : end;  // the row above the following band, and that
  Tensor window = empty_window(end + input_rows(index + 1) - kept + input_rows(index + 2));
  Tensor begin = rows_of(window, 0, end + input_rows(index + 1) - kept);
  ops::copy_into(rows_of(*window_, kept, end + input_rows(index + 1)), begin);
  window_ = window;
  has_row_above_ = kept < end;
  if (input_rows(index + 2) > 0) read(index + 2, *window_, begin.dim(1));
  next_ = index + 1;
  return out;
}

ops::ChannelSums sums_of(Bands& bands) {
  ops::ChannelSums sums = ops::channel_sums(bands.at(0));
  for (int64_t i = 1; i < bands.count(); ++i) ops::add_channel_sums_inplace(sums, bands.at(i));
  return sums;
}

SummedTensor stored(Bands& bands) { return stored_over(bands, ops::empty(bands.device(), bands.shape())); }

SummedTensor stored_over(Bands& bands, Tensor storage) {
  std::optional<ops::ChannelSums> sums;
  for (int64_t i = 0; i < bands.count(); ++i) {
    const Tensor band = bands.at(i);
    if (sums) {
      ops::add_channel_sums_inplace(*sums, band);
    } else {
      sums = ops::channel_sums(band);
    }
    Tensor place = rows_of(storage, i * bands.rows(), i * bands.rows() + band.dim(1));
    ops::copy_into(band, place);
  }
  return {.tensor = storage, .sums = *sums};
}

}  // namespace easel
