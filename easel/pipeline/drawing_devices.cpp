#include "easel/pipeline/drawing_devices.h"

#include "easel/backend/devices.h"
#include "easel/pipeline/model_options.h"

namespace easel {

std::vector<std::string> drawing_devices(const PipelineOptions& options) {
  return find_devices(device_options(options, nullptr));
}

void require_computing(const PipelineOptions& options) { require_computing(device_options(options, nullptr)); }

}  // namespace easel
