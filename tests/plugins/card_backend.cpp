#include "tests/plugins/card_backend.h"

namespace easel::testing {

void CardBackend::conv2d(const Tensor& x, const Parameter& weight, const Parameter* bias, const Conv2dOptions& options,
                         Tensor& out) {
  put(out, [=, x = lies(x), weight = used(weight, x.device()), bias = used(bias, x.device()), stride = options.stride,
            padding = options.padding, image_bias = lies(options.image_bias), residual = lies(options.residual),
            activation = options.activation](CardBackend& on, Tensor& to) {
    on.cpu().conv2d(on.host(x), *weight, bias,
                    {.stride = stride,
                     .padding = padding,
                     .image_bias = on.host(image_bias),
                     .residual = on.host(residual),
                     .activation = activation},
                    to);
  });
}

void CardBackend::linear(const Tensor& x, const Parameter& weight, const Parameter* bias, const LinearOptions& options,
                         Tensor& out) {
  put(out, [=, x = lies(x), weight = used(weight, x.device()), bias = used(bias, x.device()),
            activation = options.activation, residual = lies(options.residual)](CardBackend& on, Tensor& to) {
    on.cpu().linear(on.host(x), *weight, bias, {.activation = activation, .residual = on.host(residual)}, to);
  });
}

void CardBackend::linear_geglu(const Tensor& x, const Parameter& weight, const Parameter& bias, Tensor& out) {
  put(out, [=, x = lies(x), weight = used(weight, x.device()), bias = used(bias, x.device())](
               CardBackend& on, Tensor& to) { on.cpu().linear_geglu(on.host(x), *weight, *bias, to); });
}

void CardBackend::attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                            Tensor& out) {
  put(out, [=, q = lies(q), k = lies(k), v = lies(v)](CardBackend& on, Tensor& to) {
    on.cpu().attention(on.host(q), on.host(k), on.host(v), options, to);
  });
}

void CardBackend::group_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, int64_t groups,
                             float epsilon, Activation activation, Tensor& out) {
  put(out,
      [=, x = lies(x), weight = used(weight, x.device()), bias = used(bias, x.device())](CardBackend& on, Tensor& to) {
        on.cpu().group_norm(on.host(x), *weight, *bias, groups, epsilon, activation, to);
      });
}

void CardBackend::channel_sums(const Tensor& x, const Tensor& pivot, const Tensor* before, Tensor& sums) {
  const std::optional<Place> added = before == nullptr ? std::nullopt : std::optional(lies(*before));
  tape_->put([=, this, x = lies(x), pivot = lies(pivot), sums = lies(sums)] {
    Tensor to = added ? doubles(*added) : Tensor::empty(*host_, sums.shape, DType::f64);
    cpu().channel_sums(host(x), host(pivot), added ? &to : nullptr, to);
    sums.memory->write(sums.address, std::as_bytes(to.data<double>()));
  });
}

void CardBackend::group_norm_scales(const Tensor& sums, const Tensor& pivot, int64_t pixels, const Parameter& weight,
                                    const Parameter& bias, int64_t groups, float epsilon, Tensor& out) {
  put(out, [=, sums = lies(sums), pivot = lies(pivot), weight = used(weight, out.device()),
            bias = used(bias, out.device())](CardBackend& on, Tensor& to) {
    on.cpu().group_norm_scales(on.doubles(sums), on.host(pivot), pixels, *weight, *bias, groups, epsilon, to);
  });
}

void CardBackend::scale_shift(const Tensor& x, const Tensor& scales, Activation activation, Tensor& out) {
  put(out, [=, x = lies(x), scales = lies(scales)](CardBackend& on, Tensor& to) {
    on.cpu().scale_shift(on.host(x), on.host(scales), activation, to);
  });
}

void CardBackend::layer_norm(const Tensor& x, const Parameter& weight, const Parameter& bias, float epsilon,
                             Tensor& out) {
  put(out, [=, x = lies(x), weight = used(weight, x.device()), bias = used(bias, x.device())](
               CardBackend& on, Tensor& to) { on.cpu().layer_norm(on.host(x), *weight, *bias, epsilon, to); });
}

void CardBackend::embedding(const Tensor& ids, const Parameter& table, Tensor& out) {
  const std::vector<int32_t> numbers = ids.integers();
  const Tensor on_host = Tensor::from(*host_, ids.shape(), std::span<const int32_t>(numbers));
  put(out,
      [=, table = used(table, out.device())](CardBackend& on, Tensor& to) { on.cpu().embedding(on_host, *table, to); });
}

void CardBackend::activate(const Tensor& x, Activation activation, Tensor& out) {
  put(out, [=, x = lies(x)](CardBackend& on, Tensor& to) { on.cpu().activate(on.host(x), activation, to); });
}

void CardBackend::copy(const Tensor& x, Tensor& out) {
  put(out, [=, x = lies(x)](CardBackend& on, Tensor& to) { on.cpu().copy(on.host(x), to); });
}

void CardBackend::upsample_nearest_2x(const Tensor& x, Tensor& out) {
  put(out, [=, x = lies(x)](CardBackend& on, Tensor& to) { on.cpu().upsample_nearest_2x(on.host(x), to); });
}

void CardBackend::resize(const Tensor& x, const ResizeOptions& options, Tensor& out) {
  put(out, [=, x = lies(x)](CardBackend& on, Tensor& to) { on.cpu().resize(on.host(x), options, to); });
}

void CardBackend::max_pool(const Tensor& x, const PoolOptions& options, Tensor& out) {
  put(out, [=, x = lies(x)](CardBackend& on, Tensor& to) { on.cpu().max_pool(on.host(x), options, to); });
}

void CardBackend::concat_channels(const Tensor& a, const Tensor& b, Tensor& out) {
  put(out, [=, a = lies(a), b = lies(b)](CardBackend& on, Tensor& to) {
    on.cpu().concat_channels(on.host(a), on.host(b), to);
  });
}

void CardBackend::combine(std::span<const Term> terms, float constant, Tensor& out) {
  std::vector<std::pair<float, Place>> places;
  for (const Term& term : terms) places.emplace_back(term.factor, lies(*term.tensor));
  put(out, [=](CardBackend& on, Tensor& to) {
    std::vector<Tensor> tensors;
    for (const auto& [factor, place] : places) tensors.push_back(on.host(place));
    std::vector<Term> on_host;
    for (size_t i = 0; i < places.size(); ++i) on_host.push_back({places[i].first, &tensors[i]});
    on.cpu().combine(on_host, constant, to);
  });
}

void CardBackend::multiply(const Tensor& a, const Tensor& b, Tensor& out) {
  put(out,
      [=, a = lies(a), b = lies(b)](CardBackend& on, Tensor& to) { on.cpu().multiply(on.host(a), on.host(b), to); });
}

void CardBackend::clamp(const Tensor& x, float low, float high, Tensor& out) {
  put(out, [=, x = lies(x)](CardBackend& on, Tensor& to) { on.cpu().clamp(on.host(x), low, high, to); });
}

}  // namespace easel::testing
