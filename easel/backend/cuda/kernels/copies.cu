// Elements that move and stay what they are: in units of 16 bytes where rows of channels allow it.
#include <initializer_list>

#include "easel/backend/cuda/kernels/columns.cuh"
#include "easel/backend/cuda/kernels/image_kernels.h"

namespace easel::cuda {
namespace {

// Calls body(Unit()) with the largest unit that divides rows of channels: 16 bytes, or one element.
template <typename Body>
void with_unit(bool is_wide, DType type, const Body& body) {
  if (is_wide) return body(uint4());
  if (size_of(type) == 2) return body(uint16_t());
  body(uint32_t());
}

// Whether rows of so many channels are whole units of 16 bytes.
bool are_wide(DType type, std::initializer_list<int64_t> channels, std::initializer_list<const void*> pointers) {
  for (const int64_t c : channels) {
    if (c * size_of(type) % static_cast<int64_t>(sizeof(uint4)) != 0) return false;
  }
  for (const void* const pointer : pointers) {
    if (!is_aligned(pointer)) return false;
  }
  return true;
}

template <typename Unit>
int64_t units_of(DType type, int64_t c) {
  return c * size_of(type) / static_cast<int64_t>(sizeof(Unit));
}

// out [rows, units] with out[row] = place(row) of x, or zeros where that is -1: a row of the result is a row of x.
template <typename Unit, typename Place>
__global__ void __launch_bounds__(kThreads)
    gather_rows(const Unit* x, Place place, int64_t rows, int units, Unit* out) {
  const Columns at(units);
  if (at.is_idle()) return;
  for (int unit = at.first; unit < units; unit += block_threads()) {
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * at.rows + at.row; row < rows;
         row += static_cast<int64_t>(gridDim.x) * at.rows) {
      const int64_t from = place(row);
      out[row * units + unit] = from < 0 ? Unit{} : x[from * units + unit];
    }
  }
}

template <typename Place>
void launch_gather(Source x, const Place& place, int64_t rows, int64_t c, Target out, Stream stream) {
  if (rows * c == 0) return;
  with_unit(are_wide(x.type, {c}, {x.data, out.data}), x.type, [&](auto unit) {
    using Unit = decltype(unit);
    const auto units = static_cast<int>(units_of<Unit>(x.type, c));
    launch(gather_rows<Unit, Place>, {.x = blocks_for(rows, Columns::rows_at_once(units, kThreads))}, kThreads, 0,
           stream, static_cast<const Unit*>(x.data), place, rows, units, static_cast<Unit*>(out.data));
  });
}

// Rows are pixels of the result [n, 2 h, 2 w].
struct HalfPlace {
  int64_t w;
  __device__ int64_t operator()(int64_t row) const {
    const int64_t line = row / (2 * w);  // 2 h of an image, 2 of a line of x
    return line / 2 * w + row % (2 * w) / 2;
  }
};

// Rows are pixels of the padded images [n, out_h, out_w].
struct PaddedPlace {
  int64_t h, w, out_h, out_w, top, left;
  bool is_circular;
  __device__ static int64_t wrapped(int64_t at, int64_t size) {
    const int64_t rest = at % size;
    return rest < 0 ? rest + size : rest;
  }
  __device__ int64_t operator()(int64_t row) const {
    const int64_t line = row / out_w;
    int64_t y = line % out_h - top;
    int64_t x = row % out_w - left;
    if (is_circular) {
      y = wrapped(y, h);
      x = wrapped(x, w);
    } else if (y < 0 || y >= h || x < 0 || x >= w) {
      return -1;
    }
    return (line / out_h * h + y) * w + x;
  }
};

// Of every row, `units_a` units of a and then those of b, if any; zeros fill the rest.
template <typename Unit>
struct Parts {
  const Unit* a;
  const Unit* b;
  int stride_a, units_a;  // units from row to row, and those taken
  int units_b;
};

template <typename Unit>
__global__ void __launch_bounds__(kThreads) join_rows(Parts<Unit> parts, int64_t rows, int units, Unit* out) {
  const Columns at(units);
  if (at.is_idle()) return;
  for (int unit = at.first; unit < units; unit += block_threads()) {
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * at.rows + at.row; row < rows;
         row += static_cast<int64_t>(gridDim.x) * at.rows) {
      Unit value{};
      if (unit < parts.units_a) {
        value = parts.a[row * parts.stride_a + unit];
      } else if (unit < parts.units_a + parts.units_b) {
        value = parts.b[row * parts.units_b + unit - parts.units_a];
      }
      out[row * units + unit] = value;
    }
  }
}

template <typename Unit>
void launch_join(const Parts<Unit>& parts, int64_t rows, int64_t units, void* out, Stream stream) {
  launch(join_rows<Unit>, {.x = blocks_for(rows, Columns::rows_at_once(static_cast<int>(units), kThreads))}, kThreads,
         0, stream, parts, rows, static_cast<int>(units), static_cast<Unit*>(out));
}

}  // namespace

void upsample_nearest_2x(Source x, const ImageShape& shape, Target out, Stream stream) {
  launch_gather(x, HalfPlace{.w = shape.w}, 4 * shape.n * shape.h * shape.w, shape.c, out, stream);
}

void pad(Source x, const ImageShape& shape, const Padding& padding, Target out, Stream stream) {
  if (shape.h * shape.w == 0) return;
  const PaddedPlace place{.h = shape.h,
                          .w = shape.w,
                          .out_h = padding.top + shape.h + padding.bottom,
                          .out_w = padding.left + shape.w + padding.right,
                          .top = padding.top,
                          .left = padding.left,
                          .is_circular = padding.mode == PaddingMode::circular};
  launch_gather(x, place, shape.n * place.out_h * place.out_w, shape.c, out, stream);
}

void concat_channels(Source a, int64_t c_a, Source b, int64_t c_b, int64_t rows, Target out, Stream stream) {
  if (rows * (c_a + c_b) == 0) return;
  with_unit(are_wide(a.type, {c_a, c_b}, {a.data, b.data, out.data}), a.type, [&](auto unit) {
    using Unit = decltype(unit);
    const int64_t units_a = units_of<Unit>(a.type, c_a);
    const int64_t units_b = units_of<Unit>(a.type, c_b);
    launch_join(Parts<Unit>{.a = static_cast<const Unit*>(a.data),
                            .b = static_cast<const Unit*>(b.data),
                            .stride_a = static_cast<int>(units_a),
                            .units_a = static_cast<int>(units_a),
                            .units_b = static_cast<int>(units_b)},
                rows, units_a + units_b, out.data, stream);
  });
}

void set_channels(Source x, int64_t rows, int64_t c, int64_t c_out, Target out, Stream stream) {
  if (rows * c_out == 0) return;
  with_unit(are_wide(x.type, {c, c_out}, {x.data, out.data}), x.type, [&](auto unit) {
    using Unit = decltype(unit);
    const int64_t units = units_of<Unit>(x.type, c_out);
    const int64_t stride = units_of<Unit>(x.type, c);
    launch_join(Parts<Unit>{.a = static_cast<const Unit*>(x.data),
                            .b = nullptr,
                            .stride_a = static_cast<int>(stride),
                            .units_a = static_cast<int>(stride < units ? stride : units),
                            .units_b = 0},
                rows, units, out.data, stream);
  });
}

}  // namespace easel::cuda
