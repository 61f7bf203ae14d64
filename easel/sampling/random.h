// Random numbers equal to those of PyTorch on a CPU, PyTorch on a GPU, and NumPy, so that a seed gives the known image.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

namespace easel {

enum class RngKind { cpu, gpu, numpy };

// Throws Error invalid_request for anything but "cpu", "gpu" and "numpy".
RngKind parse_rng_kind(std::string_view name);

class Generator {
 public:
  virtual ~Generator() = default;

  // The next `count` standard normal numbers. One call of n numbers is not the same as n calls of one.
  virtual std::vector<float> randn(int64_t count) = 0;
};

std::unique_ptr<Generator> make_generator(RngKind kind, uint64_t seed);

// torch.Generator of a CPU: MT19937 seeded with the low 32 bits of the seed.
class TorchCpuGenerator : public Generator {
 public:
  explicit TorchCpuGenerator(uint64_t seed) : engine_(static_cast<uint32_t>(seed)) {}

  std::vector<float> randn(int64_t count) override;
  std::vector<float> rand(int64_t count);                                  // uniform in [0, 1)
  std::vector<int64_t> randint(int64_t low, int64_t high, int64_t count);  // uniform in [low, high)

 private:
  uint64_t next_64();
  double next_normal();  // Box-Muller, one number at a time
  void fill_normal_16(float* values);

  std::mt19937 engine_;
  std::optional<double> cached_normal_;  // the second number of a pair; survives calls that do not use it
};

// torch.Generator of a CUDA device: Philox 4x32-10 (Salmon et al. 2011) and Box-Muller; each call has its own counter.
class TorchGpuGenerator : public Generator {
 public:
  explicit TorchGpuGenerator(uint64_t seed) : seed_(seed) {}
  std::vector<float> randn(int64_t count) override;

 private:
  uint64_t seed_;
  uint32_t call_ = 0;
};

// numpy.random.RandomState: MT19937 seeded with the low 32 bits of the seed, Marsaglia's polar method.
class NumpyGenerator : public Generator {
 public:
  explicit NumpyGenerator(uint64_t seed) : engine_(static_cast<uint32_t>(seed)) {}
  std::vector<float> randn(int64_t count) override;
  double rand();  // uniform in [0, 1), 53 bits
  double normal();

 private:
  std::mt19937 engine_;
  std::optional<double> cached_normal_;
};

}  // namespace easel
