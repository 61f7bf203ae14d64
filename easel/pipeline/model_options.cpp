#include "easel/pipeline/model_options.h"

#include "easel/base/error.h"
#include "easel/pipeline/reduced_layers.h"

namespace easel {
namespace {

std::optional<Parameterization> parse_prediction(const std::optional<std::string>& name) {
  if (!name) return std::nullopt;
  if (*name == "eps") return Parameterization::eps;
  if (*name == "v") return Parameterization::v;
  throw Error(ErrorCode::invalid_request, "prediction '{}' is unknown, expected eps or v", *name);
}

std::optional<ReducedNumbers> numbers_of(Precision precision) {
  switch (precision) {
    case Precision::int8: return ReducedNumbers::int8;
    case Precision::fp8: return ReducedNumbers::fp8;
    case Precision::bf16: return ReducedNumbers::bf16;
    case Precision::automatic:
    case Precision::full:
    case Precision::f16: break;
  }
  return std::nullopt;
}

std::optional<DType> activation_type(Precision precision) {
  switch (precision) {
    case Precision::full: return DType::f32;
    case Precision::f16: return DType::f16;
    case Precision::bf16: return DType::bf16;
    case Precision::automatic:
    case Precision::int8:
    case Precision::fp8: break;
  }
  return std::nullopt;
}

}  // namespace

ModelOptions model_options(const PipelineOptions& options, std::span<const Family> families) {
  return {.checkpoint = options.checkpoint,
          .families = families,
          .config = options.config,
          .vae = options.vae,
          .preview_vae = options.preview_vae,
          .parameterization = parse_prediction(options.prediction),
          .reduced = numbers_of(options.precision)};
}

DeviceOptions device_options(const PipelineOptions& options, std::shared_ptr<Profile> profile) {
  DeviceOptions device{
      .name = options.device, .threads = options.threads, .memory_limit_bytes = options.memory_limit_bytes};
  device.activation_type = activation_type(options.precision);
  device.reduced = reduced_products(numbers_of(options.precision));
  device.profile = std::move(profile);
  return device;
}

}  // namespace easel
