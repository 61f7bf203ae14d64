// What a program asks for, as a model is opened. Private to easel/pipeline.
#pragma once

#include <span>

#include "easel/backend/devices.h"
#include "easel/pipeline/model.h"
#include "easel/pipeline/pipeline.h"

namespace easel {

// families: those that the model may be of. Throws Error invalid_request for an unknown prediction.
ModelOptions model_options(const PipelineOptions& options, std::span<const Family> families);

// profile: where operations are written down, or null.
DeviceOptions device_options(const PipelineOptions& options, std::shared_ptr<Profile> profile);

}  // namespace easel
