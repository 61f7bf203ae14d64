// From a device's profile to what programs show of it. Private to easel/pipeline.
#pragma once

#include <memory>

#include "easel/backend/profile.h"
#include "easel/pipeline/profile_report.h"

namespace easel {

// threads: as the device has. Measures the machine. profile: not null.
ProfileReport report_of(const std::shared_ptr<const Profile>& profile, int threads);

// Chrome's trace event format: an array of complete events.
std::string trace_of(const Profile& profile);

}  // namespace easel
