// The settings of an image as the text that goes into its file. Private to easel/pipeline.
#pragma once

#include <string>

#include "easel/pipeline/request.h"

namespace easel {

struct ModelName {
  std::string name;
  std::string hash;  // model_hash.h
};

// request: with nothing left open. image: one of its images. settings.h reads it back.
// lora_hashes: LoraLibrary::hashes().
std::string describe(const Request& request, const PlannedImage& image, const ModelName& model,
                     const std::string& lora_hashes = {});

// The name that AUTOMATIC1111 gives to where random numbers come from ("cpu": "CPU").
std::string rng_label(const std::string& rng);

}  // namespace easel
