// What each task asks of a request and of a checkpoint. Private to easel/pipeline.
#pragma once

#include <string>
#include <vector>

#include "easel/checkpoint/family.h"
#include "easel/pipeline/request.h"

namespace easel {

// Throws Error invalid_request if a value of the request does not apply to its task, or if one is missing.
void check_task(const Request& request);

// Throws Error invalid_request with the commands that the checkpoint is for.
void check_family(Task task, Family family, const std::string& checkpoint);

std::vector<Task> tasks_of(Family family);

// How much of an initial image gives way to noise when nobody says, as in the original scripts.
double default_strength(Task task, Family family);

}  // namespace easel
