// EmbeddingFile: the vectors of a word learned by textual inversion (Gal et al. 2022).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "easel/checkpoint/checkpoint.h"

namespace easel {

// What a file tells without its vectors being read.
struct EmbeddingHeader {
  int64_t count = 0;  // as in EmbeddingFile
  int64_t width = 0;
  std::optional<int64_t> step = {};               // of the training; AUTOMATIC1111 writes this and what follows
  std::optional<std::string> sd_checkpoint = {};  // hash of the model it was trained with
  std::optional<std::string> sd_checkpoint_name = {};

  // Throws Error bad_checkpoint.
  static EmbeddingHeader from(const Checkpoint& checkpoint);
};

struct EmbeddingFile {
  int64_t count = 0;               // vectors: the word takes so many places in a prompt
  int64_t width = 0;               // numbers in each: 768 for SD 1.x, 1024 for SD 2.x
  std::vector<float> values = {};  // [count, width]

  static constexpr int64_t kMaxVectors = 75;  // that fit into one chunk of a prompt

  // AUTOMATIC1111's .pt (`string_to_param`) and .safetensors (`emb_params`), and diffusers' `<word>: vectors`.
  // Throws Error not_found, io_failure or bad_checkpoint.
  static EmbeddingFile open(const std::filesystem::path& file);
  static EmbeddingFile from(const Checkpoint& checkpoint);
};

}  // namespace easel
