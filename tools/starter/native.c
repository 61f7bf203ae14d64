// Fused CPU kernels for training: group norm (+ SiLU) and multi-head attention, forward and backward.
// Activations are channels-last: x [n, hw, c]; sequences are [n, t, heads * head_dim]. Compiled twice by ops.py,
// once with elements of type float and once with BF16 (bfloat16 in memory, float in registers).
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef BF16
typedef uint16_t Element;
static inline float load(Element e) {
  union { uint32_t u; float f; } v = {(uint32_t)e << 16};
  return v.f;
}
static inline Element store(float f) {  // round to nearest even
  union { float f; uint32_t u; } v = {f};
  return (Element)((v.u + 0x7fffu + ((v.u >> 16) & 1u)) >> 16);
}
#else
typedef float Element;
static inline float load(Element e) { return e; }
static inline Element store(float f) { return f; }
#endif

// exp(x) to about 2e-5 relative, written so that the compiler vectorises it.
static inline float fast_exp(float x) {
  x *= 1.44269504f;
  x = x < -120.f ? -120.f : (x > 120.f ? 120.f : x);
  const float whole = __builtin_floorf(x);
  const float f = x - whole;
  const float p = 1.f + f * (0.6931472f + f * (0.24022651f + f * (0.05550357f + f * (0.009618131f + f * 0.0013398275f))));
  union { int32_t i; float f; } scale = {((int32_t)whole + 127) << 23};
  return p * scale.f;
}

static float* scratch(size_t count) { return aligned_alloc(64, (count * sizeof(float) + 127) / 64 * 64); }

// y = silu?(norm(x) * gamma + beta); statistics [n, groups, 2] = mean, 1/std are kept for the backward pass.
void group_norm_forward(const Element* x, const float* gamma, const float* beta, Element* y, float* statistics,
                        int64_t n, int64_t hw, int64_t c, int64_t groups, float epsilon, int silu) {
  const int64_t per_group = c / groups;
  float* sum = scratch(4 * c);
  float *square = sum + c, *scale = sum + 2 * c, *shift = sum + 3 * c;
  for (int64_t i = 0; i < n; i++) {
    const Element* xi = x + i * hw * c;
    Element* yi = y + i * hw * c;
    memset(sum, 0, sizeof(float) * 2 * c);
    for (int64_t p = 0; p < hw; p++)
      for (int64_t j = 0; j < c; j++) {
        const float v = load(xi[p * c + j]);
        sum[j] += v;
        square[j] += v * v;
      }
    for (int64_t g = 0; g < groups; g++) {
      double mean = 0, power = 0;
      for (int64_t j = g * per_group; j < (g + 1) * per_group; j++) mean += sum[j], power += square[j];
      mean /= (double)(hw * per_group);
      power = power / (double)(hw * per_group) - mean * mean;
      const float inverse = (float)(1.0 / sqrt((power > 0 ? power : 0) + epsilon));
      statistics[(i * groups + g) * 2] = (float)mean;
      statistics[(i * groups + g) * 2 + 1] = inverse;
      for (int64_t j = g * per_group; j < (g + 1) * per_group; j++) {
        scale[j] = gamma[j] * inverse;
        shift[j] = beta[j] - (float)mean * scale[j];
      }
    }
    if (silu)
      for (int64_t p = 0; p < hw; p++)
        for (int64_t j = 0; j < c; j++) {
          const float z = load(xi[p * c + j]) * scale[j] + shift[j];
          yi[p * c + j] = store(z / (1.f + fast_exp(-z)));
        }
    else
      for (int64_t p = 0; p < hw; p++)
        for (int64_t j = 0; j < c; j++) yi[p * c + j] = store(load(xi[p * c + j]) * scale[j] + shift[j]);
  }
  free(sum);
}

// dgamma and dbeta [c] are written, not accumulated.
void group_norm_backward(const Element* x, const float* gamma, const float* beta, const float* statistics,
                         const Element* dy, Element* dx, float* dgamma, float* dbeta, int64_t n, int64_t hw, int64_t c,
                         int64_t groups, int silu) {
  const int64_t per_group = c / groups;
  float* scale = scratch(7 * c + hw * c);
  float *shift = scale + c, *s1 = scale + 2 * c, *s2 = scale + 3 * c, *k0 = scale + 4 * c, *k1 = scale + 5 * c;
  float *mean = scale + 6 * c, *dz = scale + 7 * c;
  memset(dgamma, 0, sizeof(float) * c);
  memset(dbeta, 0, sizeof(float) * c);
  for (int64_t i = 0; i < n; i++) {
    const Element *xi = x + i * hw * c, *gi = dy + i * hw * c;
    Element* di = dx + i * hw * c;
    for (int64_t j = 0; j < c; j++) {
      const float* s = statistics + (i * groups + j / per_group) * 2;
      mean[j] = s[0];
      scale[j] = gamma[j] * s[1];
      shift[j] = beta[j] - s[0] * scale[j];
    }
    memset(s1, 0, sizeof(float) * 2 * c);
    for (int64_t p = 0; p < hw; p++) {
      float* restrict d = dz + p * c;
      if (silu)
        for (int64_t j = 0; j < c; j++) {
          const float v = load(xi[p * c + j]);
          const float z = v * scale[j] + shift[j];
          const float sigmoid = 1.f / (1.f + fast_exp(-z));
          const float g = load(gi[p * c + j]) * sigmoid * (1.f + z * (1.f - sigmoid));
          d[j] = g;
          s1[j] += g;
          s2[j] += g * (v - mean[j]);
        }
      else
        for (int64_t j = 0; j < c; j++) {
          const float g = load(gi[p * c + j]);
          d[j] = g;
          s1[j] += g;
          s2[j] += g * (load(xi[p * c + j]) - mean[j]);
        }
    }
    for (int64_t g = 0; g < groups; g++) {
      const float inverse = statistics[(i * groups + g) * 2 + 1];
      float a = 0, b = 0;
      for (int64_t j = g * per_group; j < (g + 1) * per_group; j++) {
        s2[j] *= inverse;
        a += gamma[j] * s1[j];
        b += gamma[j] * s2[j];
        dbeta[j] += s1[j];
        dgamma[j] += s2[j];
      }
      const float count = (float)(hw * per_group);
      for (int64_t j = g * per_group; j < (g + 1) * per_group; j++) {
        k1[j] = -b / count * inverse * inverse;
        k0[j] = -a / count * inverse - k1[j] * mean[j];
      }
    }
    for (int64_t p = 0; p < hw; p++)
      for (int64_t j = 0; j < c; j++)
        di[p * c + j] = store(dz[p * c + j] * scale[j] + load(xi[p * c + j]) * k1[j] + k0[j]);
  }
  free(scale);
}

// rows [t, heads * d] of one head -> columns [d][padded], zero padded
static void load_columns(const Element* x, int64_t stride, int64_t t, int64_t padded, int64_t d, float* out) {
  for (int64_t c = 0; c < d; c++) {
    for (int64_t j = 0; j < t; j++) out[c * padded + j] = load(x[j * stride + c]);
    for (int64_t j = t; j < padded; j++) out[c * padded + j] = 0;
  }
}

// softmax over keys of one query; causal rows see `visible` keys
static void softmax_row(const float* restrict q, int64_t d, const float* restrict keys, int64_t visible, int64_t padded,
                        float* restrict row) {
  for (int64_t j = 0; j < padded; j++) row[j] = 0;
  for (int64_t c = 0; c < d; c++)
    for (int64_t j = 0; j < padded; j++) row[j] += q[c] * keys[c * padded + j];
  float top = -1e30f, total = 0;
  for (int64_t j = 0; j < visible; j++) top = row[j] > top ? row[j] : top;
  for (int64_t j = 0; j < padded; j++) row[j] = fast_exp(row[j] > top ? 0.f : row[j] - top);
  for (int64_t j = visible; j < padded; j++) row[j] = 0;
  for (int64_t j = 0; j < padded; j++) total += row[j];
  const float inverse = 1.f / total;
  for (int64_t j = 0; j < padded; j++) row[j] *= inverse;
}

// q [n, t_q, heads * d]; k, v [n, t_k, heads * d] -> out like q
void attention_forward(const Element* q, const Element* k, const Element* v, Element* out, int64_t n, int64_t t_q,
                       int64_t t_k, int64_t heads, int64_t d, float scale, int causal) {
  const int64_t width = heads * d, padded = (t_k + 15) / 16 * 16;
  float* keys = scratch((2 * d + 1) * padded + d);
  float *values = keys + d * padded, *row = values + d * padded, *query = row + padded;
  for (int64_t i = 0; i < n; i++)
    for (int64_t h = 0; h < heads; h++) {
      const int64_t at_q = i * t_q * width + h * d, at_k = i * t_k * width + h * d;
      load_columns(k + at_k, width, t_k, padded, d, keys);
      load_columns(v + at_k, width, t_k, padded, d, values);
      for (int64_t p = 0; p < t_q; p++) {
        for (int64_t c = 0; c < d; c++) query[c] = load(q[at_q + p * width + c]) * scale;
        softmax_row(query, d, keys, causal ? p + 1 : t_k, padded, row);
        for (int64_t c = 0; c < d; c++) {
          float a = 0;
          for (int64_t j = 0; j < padded; j++) a += row[j] * values[c * padded + j];
          out[at_q + p * width + c] = store(a);
        }
      }
    }
  free(keys);
}

void attention_backward(const Element* q, const Element* k, const Element* v, const Element* dout, Element* dq,
                        Element* dk, Element* dv, int64_t n, int64_t t_q, int64_t t_k, int64_t heads, int64_t d,
                        float scale, int causal) {
  const int64_t width = heads * d, padded = (t_k + 15) / 16 * 16;
  float* keys = scratch((4 * d + 2) * padded + 2 * d);
  float *values = keys + d * padded, *dkeys = values + d * padded, *dvalues = dkeys + d * padded;
  float *row = dvalues + d * padded, *drow = row + padded, *query = drow + padded, *grad = query + d;
  for (int64_t i = 0; i < n; i++)
    for (int64_t h = 0; h < heads; h++) {
      const int64_t at_q = i * t_q * width + h * d, at_k = i * t_k * width + h * d;
      load_columns(k + at_k, width, t_k, padded, d, keys);
      load_columns(v + at_k, width, t_k, padded, d, values);
      memset(dkeys, 0, sizeof(float) * 2 * d * padded);
      for (int64_t p = 0; p < t_q; p++) {
        for (int64_t c = 0; c < d; c++) {
          query[c] = load(q[at_q + p * width + c]) * scale;
          grad[c] = load(dout[at_q + p * width + c]);
        }
        softmax_row(query, d, keys, causal ? p + 1 : t_k, padded, row);
        for (int64_t j = 0; j < padded; j++) drow[j] = 0;
        for (int64_t c = 0; c < d; c++)
          for (int64_t j = 0; j < padded; j++) {
            drow[j] += grad[c] * values[c * padded + j];
            dvalues[c * padded + j] += grad[c] * row[j];
          }
        float dot = 0;
        for (int64_t j = 0; j < padded; j++) dot += row[j] * drow[j];
        for (int64_t j = 0; j < padded; j++) drow[j] = row[j] * (drow[j] - dot);
        for (int64_t c = 0; c < d; c++) {
          float a = 0;
          for (int64_t j = 0; j < padded; j++) {
            a += drow[j] * keys[c * padded + j];
            dkeys[c * padded + j] += query[c] * drow[j];
          }
          dq[at_q + p * width + c] = store(a * scale);
        }
      }
      for (int64_t j = 0; j < t_k; j++)
        for (int64_t c = 0; c < d; c++) {
          dk[at_k + j * width + c] = store(dkeys[c * padded + j]);
          dv[at_k + j * width + c] = store(dvalues[c * padded + j]);
        }
    }
  free(keys);
}

// Phi(x), the normal distribution function: Abramowitz and Stegun 7.1.26
static inline float normal_cdf(float x) {
  const float z = fabsf(x) * 0.70710678f;
  const float t = 1.f / (1.f + 0.3275911f * z);
  const float tail = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  const float half = 0.5f * tail * fast_exp(-z * z);
  return x >= 0 ? 1.f - half : half;
}

// x [rows, 2 d] = value, gate -> y [rows, d] = value * gelu(gate)
void geglu_forward(const Element* x, Element* y, int64_t rows, int64_t d) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < d; j++) {
      const float gate = load(x[i * 2 * d + d + j]);
      y[i * d + j] = store(load(x[i * 2 * d + j]) * gate * normal_cdf(gate));
    }
}

void geglu_backward(const Element* x, const Element* dy, Element* dx, int64_t rows, int64_t d) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < d; j++) {
      const float value = load(x[i * 2 * d + j]), gate = load(x[i * 2 * d + d + j]), g = load(dy[i * d + j]);
      const float cdf = normal_cdf(gate);
      dx[i * 2 * d + j] = store(g * gate * cdf);
      dx[i * 2 * d + d + j] = store(g * value * (cdf + gate * 0.39894228f * fast_exp(-0.5f * gate * gate)));
    }
}
