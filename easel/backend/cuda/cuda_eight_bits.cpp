// Linear layers of 8-bit numbers: x is rounded row by row, the weight once for all. Where cuBLASLt multiplies with
// their scales, it finishes the product; elsewhere it leaves sums, which a kernel finishes, in parts of some rows.
#include <algorithm>

#include "easel/backend/card_numbers.h"
#include "easel/backend/cuda/cuda_backend.h"

namespace easel::cuda {
namespace {

const float* floats(const Tensor& x) { return reinterpret_cast<const float*>(x.address()); }

}  // namespace

struct CudaBackend::EightBitInput {
  const Tensor& x;
  const Parameter& weight;
  EightBits numbers;
  int64_t rows, d_in, d_out;

  EightBitInput(const Tensor& left, const Parameter& right, const ReducedProducts& reduced)
      : x(left),
        weight(right),
        numbers(reduced.numbers == ReducedNumbers::int8 ? EightBits::int8 : EightBits::e4m3),
        rows(left.count() / left.dim(-1)),
        d_in(left.dim(-1)),
        d_out(right.shape()[0]) {}

  EightBitShape shape(int64_t some_rows, DType out) const {
    return {.rows = some_rows, .d_in = d_in, .d_out = d_out, .numbers = numbers, .out = out};
  }
  // What is behind an activation is not cuBLASLt's.
  EightBitShape scaled_shape(const Parameter* bias, const LinearOptions& options, DType out) const {
    EightBitShape scaled = shape(rows, out);
    scaled.has_bias = bias != nullptr;
    scaled.has_residual = options.residual && options.activation == Activation::none;
    return scaled;
  }
};

bool CudaBackend::has_way(const EightBitShape& shape, const Device& device) {
  return eight_bit_products_.has_way(*context_, shape, workspace(device), card::kWorkspaceBytes);
}

bool CudaBackend::multiply_codes(const EightBitShape& shape, const EightBitOperands& operands, const Device& device) {
  return eight_bit_products_.run(*context_, shape, operands, workspace(device), card::kWorkspaceBytes);
}

RowCodes CudaBackend::rounded(const EightBitInput& input) const {
  const Device& device = input.x.device();
  RowCodes out{.codes = Tensor::empty(device, {input.rows, input.d_in}, DType::u8),
               .scales = Tensor::empty(device, {input.rows})};
  quantize_rows(source(input.x), input.rows, input.d_in, input.numbers, out.codes.address(),
                reinterpret_cast<float*>(out.scales.address()), stream());
  check_launch("round numbers to 8 bits");
  return out;
}

bool CudaBackend::scaled_linear(const EightBitInput& input, const Parameter* bias, const LinearOptions& options,
                                Tensor& out) {
  const Device& device = out.device();
  const DType type = out.dtype();
  const EightBitShape shape = input.scaled_shape(bias, options, type);
  if (!shape.is_scaled() || !is_aligned(out) || !has_way(shape, device)) return false;
  const RowCodes x = rounded(input);
  const RowCodes weight = uploader_.codes(input.weight, input.numbers, device);
  std::optional<Tensor> shift;
  if (bias != nullptr) shift = uploader_.plain(*bias, type, device);
  std::optional<Tensor> residual;
  if (options.residual) residual = as(*options.residual, type);
  const EightBitOperands operands{.x = x.codes.address(),
                                  .weight = weight.codes.address(),
                                  .x_scales = floats(x.scales),
                                  .weight_scales = floats(weight.scales),
                                  .bias = shift ? shift->address() : nullptr,
                                  .residual = shape.has_residual ? residual->address() : nullptr,
                                  .out = out.address()};
  if (!multiply_codes(shape, operands, device)) return false;
  activate_product(options.activation, residual, input.d_out, out);
  return true;
}

bool CudaBackend::sum_rows(const EightBitInput& input, const FinishSums& finish) {
  const Device& device = input.x.device();
  const DType type = sum_type(input.numbers);
  const int64_t at_once = card::rows_of_sums(input.rows, input.d_out);
  const int64_t rest = input.rows % at_once;
  if (!has_way(input.shape(at_once, type), device)) return false;
  if (rest != 0 && !has_way(input.shape(rest, type), device)) return false;
  const RowCodes x = rounded(input);
  const RowCodes weight = uploader_.codes(input.weight, input.numbers, device);
  const Tensor sums = Tensor::empty(device, {at_once, input.d_out}, type);
  for (int64_t row = 0; row < input.rows; row += at_once) {
    const int64_t rows = std::min(at_once, input.rows - row);
    const EightBitOperands operands{
        .x = x.codes.address() + row * input.d_in, .weight = weight.codes.address(), .out = sums.address()};
    if (!multiply_codes(input.shape(rows, type), operands, device)) return false;
    finish(sums.address(), {.rows = floats(x.scales) + row, .columns = floats(weight.scales)}, row, rows);
    check_launch("scale a product");
  }
  return true;
}

bool CudaBackend::eight_bit_linear(const Tensor& x, const Parameter& weight, const Parameter* bias,
                                   const LinearOptions& options, Tensor& out) {
  if (!card::multiplies_eight_bits(reduced_, weight, x.dim(-1))) return false;
  const EightBitInput input(x, weight, reduced_);
  if (scaled_linear(input, bias, options, out)) return true;
  std::optional<Tensor> shift;
  if (bias != nullptr) shift = uploader_.plain(*bias, out.dtype(), x.device());
  return sum_rows(input, [&](const void* sums, const ProductScales& scales, int64_t row, int64_t rows) {
    ProductEnd end{.activation = options.activation};
    if (shift) end.bias = source(*shift);
    if (options.residual) end.residual = rows_from(*options.residual, row, input.d_out);
    scale_sums(sums, input.numbers, rows, input.d_out, scales, end, rows_from(out, row, input.d_out), stream());
  });
}

// Where cuBLASLt scales sums, linear() makes both halves.
bool CudaBackend::eight_bit_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) {
  if (!card::multiplies_eight_bits(reduced_, weight, x.dim(-1))) return false;
  const Device& device = x.device();
  const EightBitInput input(x, weight, reduced_);
  const EightBitShape scaled = input.scaled_shape(&bias, {}, out.dtype());
  if (scaled.is_scaled() && has_way(scaled, device)) return false;
  const Tensor shift = uploader_.plain(bias, out.dtype(), device);
  const int64_t width = input.d_out / 2;
  return sum_rows(input, [&](const void* sums, const ProductScales& scales, int64_t row, int64_t rows) {
    scale_sums_geglu(sums, input.numbers, rows, width, scales, source(shift), rows_from(out, row, width), stream());
  });
}

}  // namespace easel::cuda
