// Reading an RRDB network from a file, whichever of three ways its tensors are named.
#pragma once

#include <memory>

#include "easel/upscale/rrdbnet.h"

namespace easel {

// The file may have Real-ESRGAN's names (conv_first, body.N.rdb1.conv1, conv_body, conv_up1, conv_hr, conv_last; below
// `params_ema`, which is preferred, or `params`), those of ESRGAN's release (RRDB_trunk.N.RDB1.conv1, trunk_conv,
// upconv1, HRconv), or the numbers of its first version (model.1.sub.N.RDB1.conv1.0). Throws Error bad_checkpoint that
// says what the file is instead (SwinIR, HAT, a compact network, ...), or what is missing or too much.
RrdbNet read_rrdbnet(const std::shared_ptr<const Checkpoint>& checkpoint, Residency residency);

}  // namespace easel
