// A tiny VAE's file (TAESD: Boer Bohan 2023), known by its keys.
#pragma once

#include <optional>
#include <string>

#include "easel/checkpoint/checkpoint.h"

namespace easel {

// Where the numbered layers of each half are: "decoder.layers" in a file of the diffusers library, "" in
// taesd_decoder.pth. At least one half is there.
struct TinyVaeLayout {
  std::optional<std::string> decoder;
  std::optional<std::string> encoder;
};

// Nothing if the keys are those of something else.
std::optional<TinyVaeLayout> tiny_vae_layout(const Checkpoint& checkpoint);

}  // namespace easel
