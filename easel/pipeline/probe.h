// Tells eps from v by a look at what the network does with pure noise. Private to easel/pipeline.
#pragma once

#include "easel/checkpoint/family.h"
#include "easel/tensor/tensor.h"
#include "easel/unet/unet.h"

namespace easel {

struct ProbeResult {
  Parameterization parameterization;
  bool certain;
  double likeness;  // correlation of output and input
};

// At the last timestep the input is all but noise. A network of epsilon gives the noise back; one of v gives minus the
// clean image that it expects, which is smooth and unlike the noise.
// context [1, t, context_width]: the empty prompt
ProbeResult probe_parameterization(const UNet& unet, const Tensor& context);

}  // namespace easel
