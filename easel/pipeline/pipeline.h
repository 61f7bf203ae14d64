// Pipeline: a model on a device, which makes images of requests.
#pragma once

#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "easel/backend/device_list.h"
#include "easel/pipeline/adapters.h"
#include "easel/pipeline/profile_report.h"
#include "easel/pipeline/request.h"
#include "easel/pipeline/result.h"

namespace easel {

enum class Precision {
  automatic,  // what the device is best at: f32 on a processor, f16 on a card
  full,       // f32
  f16,        // on a card: all of the networks but the VAE
  bf16,  // on a card the networks; on a processor most products of UNet and VAE decoder: faster with AMX or AVX512_BF16
  // With 8-bit integers, not quite the same images: on a processor the same products, faster with VNNI; on a card the
  // UNet's linear layers and 1x1 convolutions, all else as f16.
  int8,
  fp8,  // on a card from compute capability 8.9 on, those of int8 with 8-bit floating-point numbers (E4M3)
};

struct PipelineOptions {
  std::filesystem::path checkpoint;
  std::optional<std::filesystem::path> config = {};  // an original .yaml file
  std::optional<std::filesystem::path> vae = {};     // replaces the checkpoint's VAE; may be a tiny one (TAESD)
  // A tiny VAE that decodes previews and intermediate images. The starter model's previews have one without.
  std::optional<std::filesystem::path> preview_vae = {};
  std::optional<std::string> prediction = {};  // "eps" or "v"; otherwise found out
  std::string device = default_device();       // as DeviceOptions::name
  int threads = 0;                             // 0: all processors
  uint64_t memory_limit_bytes = std::numeric_limits<uint64_t>::max();
  std::vector<AdapterFile> adapters = {};             // beside those in the folders for them
  std::vector<std::filesystem::path> upscalers = {};  // ESRGAN networks for the hires fix, beside those in the folders
  bool low_memory = false;                            // 480 MB, or as little as there can be
  Precision precision = Precision::automatic;
  bool profile = false;  // every operation is timed: see ProfileReport
};

struct ModelDescription {
  std::string file;
  std::string name;
  std::string hash;        // the first ten hexadecimal digits of the file's SHA-256
  std::string family;      // "SD 1.x"
  std::string prediction;  // "eps", "v", or "unknown" until a first request
};

class Pipeline {
 public:
  // Reads the checkpoint's structure. Throws Error if a file is missing or wrong.
  explicit Pipeline(const PipelineOptions& options);
  ~Pipeline();

  // Throws Error: invalid_request, out_of_memory, bad_checkpoint (numbers that are not finite), cancelled. Images given
  // to on_image before that are good. One request at a time.
  Result generate(const Request& request, const Callbacks& callbacks = {});

  // What generate() would draw: `request` with nothing left open but random seeds, checked as generate() does before
  // it begins. Throws Error as it does.
  Request completed(const Request& request);

  ModelDescription model() const;
  // Of all requests so far; measures the machine, too. Only with PipelineOptions::profile.
  ProfileReport profile() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Whether this processor gains speed by Precision::int8, and not only memory.
bool int8_is_fast();                       // easel/backend/devices.h
bool bf16_is_fast();                       // the same of Precision::bf16
std::string_view bf16_unusable_because();  // why it is f32 on this processor; empty: it is not

// "easel 0.1.0"
std::string program_version();

}  // namespace easel
