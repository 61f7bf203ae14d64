// The library's way in: which cards there are, and the opening of one.
#include "easel/backend/plugin.h"

#include <fmt/format.h>

#include "easel/backend/card_numbers.h"
#include "easel/backend/cuda/card_allocator.h"
#include "easel/backend/cuda/cuda_backend.h"
#include "easel/backend/cuda/recorder.h"
#include "easel/base/error.h"

namespace easel::cuda {
namespace {

constexpr int kFirstCapability = 75;  // of the cards that the kernels are built for

int capability_of(const cudaDeviceProp& card) { return 10 * card.major + card.minor; }

std::string reason_of(cudaError_t status) {
  cudaGetLastError();
  return cudaGetErrorString(status);
}

// A card that is lost must not keep anybody from the others, so its failures are told of it alone.
CardInfo describe(int index, bool opens) {
  cudaDeviceProp card = {};
  cudaError_t status = cudaGetDeviceProperties(&card, index);
  if (status != cudaSuccess) return {.name = "NVIDIA card", .details = "", .unusable_because = reason_of(status)};
  CardInfo info{.name = card.name,
                .details = fmt::format("compute capability {}.{}, {} multiprocessors", card.major, card.minor,
                                       card.multiProcessorCount),
                .total_bytes = card.totalGlobalMem};
  if (capability_of(card) < kFirstCapability) {
    info.unusable_because = fmt::format("its compute capability is {}.{}, expected {}.{} or higher", card.major,
                                        card.minor, kFirstCapability / 10, kFirstCapability % 10);
    return info;
  }
  if (!opens) return info;
  size_t free = 0;
  size_t total = 0;
  status = cudaSetDevice(index);
  if (status == cudaSuccess) status = cudaMemGetInfo(&free, &total);
  if (status != cudaSuccess) info.unusable_because = reason_of(status);
  info.free_bytes = free;
  return info;
}

class CudaPlugin : public DevicePlugin {
 public:
  std::vector<CardInfo> cards(bool opens) const override {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorNoDevice) {
      cudaGetLastError();
      return {};
    }
    if (status != cudaSuccess) {
      cudaGetLastError();
      throw Error(ErrorCode::device_failure,
                  "CUDA cannot be used: {}; install an NVIDIA driver that is at least as new as CUDA {}.{}",
                  cudaGetErrorString(status), CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    }
    std::vector<CardInfo> cards;
    for (int index = 0; index < count; ++index) cards.push_back(describe(index, opens));
    return cards;
  }

  OpenedCard open(const CardOptions& options) const override {
    if (cudnnGetVersion() / 10000 != CUDNN_MAJOR) {
      throw Error(ErrorCode::device_failure, "cuDNN {} is installed, expected {}", cudnnGetVersion(), CUDNN_MAJOR);
    }
    auto context = std::make_shared<Context>(options.index);
    card::check_numbers(options, describe(options.index, false).name, context->compute_capability());
    const DType type = options.activation_type.value_or(DType::f16);
    return {.allocator = std::make_unique<CardAllocator>(context, options.memory_limit_bytes),
            .backend = std::make_shared<CudaBackend>(context, type, options.reduced),
            .recorder = std::make_unique<GraphRecorder>(context)};
  }
};

}  // namespace
}  // namespace easel::cuda

EASEL_EXPORT_DEVICES(easel::cuda::CudaPlugin)
