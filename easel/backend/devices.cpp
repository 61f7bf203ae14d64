#include "easel/backend/devices.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "easel/backend/card_planning.h"
#include "easel/backend/cpu/cpu_backend.h"
#include "easel/backend/cpu/instruction_limit.h"
#include "easel/backend/cpu/int8_dot.h"
#include "easel/backend/cpu/matmul_rate.h"
#include "easel/backend/cpu/onednn.h"
#include "easel/backend/cpu/planning_backend.h"
#include "easel/backend/plugin.h"
#include "easel/backend/replay.h"
#include "easel/base/error.h"
#include "easel/base/log.h"
#include "easel/base/system.h"
#include "easel/base/text.h"

namespace easel {
namespace {

constexpr std::string_view kCuda = "cuda";
constexpr char kBetweenDevices = ',';

int threads_or_all(int threads) { return threads > 0 ? threads : processor_count(); }

bool wants_fp8(const DeviceOptions& options) {
  return options.reduced.allows && options.reduced.numbers == ReducedNumbers::fp8;
}

// The number of "cuda:N", 0 of "cuda"; nothing of another name.
std::optional<int> card_index(std::string_view name) {
  if (name == kCuda) return 0;
  if (!name.starts_with("cuda:") || name.size() == kCuda.size() + 1) return std::nullopt;
  const std::string_view digits = name.substr(kCuda.size() + 1);
  int index = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (failure != std::errc() || end != digits.data() + digits.size() || index < 0) return std::nullopt;
  return index;
}

// The first card that can be used. Where there is none, who asked for no card in particular is not bothered.
std::optional<int> first_usable_card() {
  try {
    const std::vector<CardInfo> cards = cuda_plugin().cards(/*opens=*/true);
    for (size_t i = 0; i < cards.size(); ++i) {
      if (cards[i].unusable_because.empty()) return static_cast<int>(i);
      log::debug("cuda:{} ({}) is not used: {}", i, cards[i].name, cards[i].unusable_because);
    }
  } catch (const Error& reason) {
    log::debug("no CUDA device is used: {}", reason.what());
  }
  return std::nullopt;
}

std::shared_ptr<const Device> make_device(DeviceKind kind, std::string name, std::unique_ptr<Allocator> allocator,
                                          std::shared_ptr<Backend> backend, const DeviceOptions& options) {
  if (options.profile) backend = make_profiling_backend(std::move(backend), options.profile);
  return std::make_shared<const Device>(kind, std::move(name), std::move(allocator), std::move(backend));
}

std::shared_ptr<const Device> open_cpu(const DeviceOptions& options) {
  if (options.activation_type == DType::f16) {
    throw Error(ErrorCode::invalid_request, "a processor computes in F32, not in F16; choose --precision full");
  }
  if (wants_fp8(options)) {
    throw Error(
        ErrorCode::invalid_request,
        "a processor has no products of FP8 numbers; take --precision int8, or a card of compute capability 8.9 "
        "or higher with --device");
  }
  cpu::apply_instruction_limit();
  return make_device(DeviceKind::cpu, "cpu", std::make_unique<HostAllocator>(options.memory_limit_bytes),
                     std::make_shared<cpu::CpuBackend>(threads_or_all(options.threads), options.reduced), options);
}

// EASEL_CUDA_GRAPHS=off: to look for the cause of a fault.
bool replays() {
  const char* const graphs = std::getenv("EASEL_CUDA_GRAPHS");
  return graphs == nullptr || std::string_view(graphs) != "off";
}

// Throws Error if the card cannot be used.
const DevicePlugin& require_card(int index) {
  const DevicePlugin& plugin = cuda_plugin();
  const std::vector<CardInfo> cards = plugin.cards(/*opens=*/false);
  if (static_cast<size_t>(index) >= cards.size()) {
    throw Error(ErrorCode::device_failure, "there is no device cuda:{}, {}; 'easel devices' lists what there is", index,
                cards.empty() ? "no CUDA device was found" : fmt::format("the last one is cuda:{}", cards.size() - 1));
  }
  const CardInfo& card = cards[static_cast<size_t>(index)];
  if (!card.unusable_because.empty()) {
    throw Error(ErrorCode::device_failure, "cuda:{} ({}) cannot be used: {}", index, card.name, card.unusable_because);
  }
  return plugin;
}

std::string card_name(int index) { return fmt::format("{}:{}", kCuda, index); }

std::shared_ptr<const Device> open_card(int index, const DeviceOptions& options) {
  OpenedCard opened = require_card(index).open({.index = index,
                                                .activation_type = options.activation_type,
                                                .memory_limit_bytes = options.memory_limit_bytes,
                                                .reduced = options.reduced});
  // A profile wants the time of each operation.
  if (opened.recorder && !options.profile && replays()) opened = make_replaying(std::move(opened));
  return make_device(DeviceKind::cuda, card_name(index), std::move(opened.allocator), std::move(opened.backend),
                     options);
}

DeviceInfo describe_cpu() {
  const MemoryInfo memory = memory_info();
  const int processors = processor_count();
  return {.name = "cpu",
          .title = processor_name(),
          .details = fmt::format("{} processor{}; {}", processors, processors == 1 ? "" : "s", cpu::instruction_sets()),
          .total_bytes = memory.total_bytes,
          .free_bytes = memory.available_bytes};
}

[[noreturn]] void refuse_unknown(const std::string& name) {
  throw Error(ErrorCode::invalid_request, "device '{}' is unknown, expected auto, cpu or cuda:0, cuda:1, ...", name);
}

std::string find_device(const DeviceOptions& options) {
  if (options.name == "cpu") return options.name;
  if (options.name == "auto") {
    const std::optional<int> card = first_usable_card();
    return card ? card_name(*card) : "cpu";
  }
  const std::optional<int> index = card_index(options.name);
  if (!index) refuse_unknown(options.name);
  require_card(*index);
  return card_name(*index);
}

}  // namespace

std::vector<std::string> find_devices(const DeviceOptions& options) {
  const std::vector<std::string> names = split(options.name, kBetweenDevices);
  if (names.size() == 1) return {find_device(options)};
  std::vector<std::string> found;
  DeviceOptions one = options;
  for (const std::string& name : names) {
    one.name = trim(name);
    if (!card_index(one.name)) {
      throw Error(ErrorCode::invalid_request,
                  "'{}' is one of the devices '{}', but only cards work side by side; expected something like "
                  "cuda:0,cuda:1",
                  one.name, options.name);
    }
    found.push_back(find_device(one));
    if (std::find(found.begin(), found.end() - 1, found.back()) != found.end() - 1) {
      throw Error(ErrorCode::invalid_request, "the devices '{}' name {} twice; name each card once", options.name,
                  found.back());
    }
  }
  return found;
}

void require_computing(const DeviceOptions& options) {
  const std::shared_ptr<const Device> device = open_device(options);
  const std::vector<float> numbers = {1.5f, -2.0f, 3.0f, 0.25f};
  const std::vector<float> squares = {2.25f, 4.0f, 9.0f, 0.0625f};
  const Tensor x = Tensor::from(*device, {4}, std::span<const float>(numbers));
  Tensor out = Tensor::empty(*device, {4});
  device->backend().multiply(x, x, out);
  if (out.values() == squares) return;
  throw Error(ErrorCode::device_failure, "{} computes wrong numbers; is it damaged?", device->name());
}

std::shared_ptr<const Device> open_device(const DeviceOptions& options) {
  if (options.threads < 0 || options.threads > 1024) {
    throw Error(ErrorCode::invalid_request, "{} threads asked for, expected 1 to 1024, or 0 for all processors",
                options.threads);
  }
  if (options.name == "cpu") return open_cpu(options);
  if (options.name == "auto") {
    const std::optional<int> card = first_usable_card();
    return card ? open_card(*card, options) : open_cpu(options);
  }
  if (const std::optional<int> index = card_index(options.name)) return open_card(*index, options);
  if (options.name.find(kBetweenDevices) == std::string::npos) refuse_unknown(options.name);
  throw Error(ErrorCode::invalid_request,
              "'{}' are several devices, but a job computes on one; name one, or have 'easel serve --device {}' draw "
              "several jobs at once",
              options.name, options.name);
}

std::string default_device() {
  const char* const name = std::getenv("EASEL_DEVICE");
  return name != nullptr && *name != '\0' ? name : "cpu";
}

DeviceList list_devices() {
  DeviceList list{.devices = {describe_cpu()}};
  try {
    const std::vector<CardInfo> cards = cuda_plugin().cards(/*opens=*/true);
    for (size_t i = 0; i < cards.size(); ++i) {
      list.devices.push_back({.name = card_name(static_cast<int>(i)),
                              .title = cards[i].name,
                              .details = cards[i].details,
                              .total_bytes = cards[i].total_bytes,
                              .free_bytes = cards[i].free_bytes,
                              .unusable_because = cards[i].unusable_because});
    }
    if (cards.empty()) list.no_cards_because = "the NVIDIA driver finds no card";
  } catch (const Error& reason) {
    list.no_cards_because = reason.what();
  }
  return list;
}

bool int8_is_fast() { return cpu::int8_variants().front().is_fast; }
bool bf16_is_fast() { return cpu::bf16_support().is_fast; }
std::string_view bf16_unusable_because() { return cpu::bf16_support().unusable_because; }

double matmul_gflops(int threads) { return cpu::matmul_gflops(threads_or_all(threads)); }

PlanTarget::PlanTarget(const Device& device, int threads_or_all)
    : threads(threads_or_all), kind(device.kind()), activation_type(device.backend().activation_type()) {}

PlanningDevice open_planning_device(const PlanTarget& target, ReducedProducts reduced) {
  auto allocator = std::make_unique<CountingAllocator>();
  CountingAllocator& memory = *allocator;
  std::shared_ptr<Backend> backend;
  if (target.kind == DeviceKind::cuda) {
    backend = std::make_shared<CardPlanningBackend>(target.activation_type, std::move(reduced));
  } else {
    backend = std::make_shared<cpu::PlanningBackend>(threads_or_all(target.threads), std::move(reduced), memory);
  }
  return {std::make_shared<const Device>(DeviceKind::cpu, "plan", std::move(allocator), std::move(backend)), memory};
}

}  // namespace easel
