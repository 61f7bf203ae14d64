// Devices for a program that works on several at once: a Pipeline computes on one.
#pragma once

#include <string>
#include <vector>

#include "easel/pipeline/pipeline.h"

namespace easel {

// What `options.device` stands for, which may be a list of cards here: "cuda:0,cuda:1". Each name is one for
// PipelineOptions::device; "auto" is resolved. Throws Error invalid_request, and device_failure for a card that cannot
// be used, with the reason.
std::vector<std::string> drawing_devices(const PipelineOptions& options);

// Throws Error device_failure if the one device of `options` does not compute (any more), out_of_memory if it has not
// even a little free.
void require_computing(const PipelineOptions& options);

}  // namespace easel
