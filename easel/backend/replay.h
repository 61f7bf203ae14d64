// Replay: a card's backend that records what is computed again and again, and puts it to the card as a whole.
//
// A network of a thousand small operations keeps the host busier with launching than the card with computing. The first
// time such work (Backend::replayable) is done as usual, the second time it is recorded. From then on the host goes
// through the same code, where every operation is compared with the recorded one (its kind, options, addresses) instead
// of launched; if all are the same, the recording is run. If one is not, the work is recorded anew. So a recording is
// never run for other work than its own, and neither networks nor samplers know of it.
//
// Tensors of such work come from memory of their own, which nobody else is given while a recording writes there.
#pragma once

#include <memory>

#include "easel/backend/plugin.h"

namespace easel {

// The same card, with the recorder in use; it must have one. An operation may keep what it allocates (weights): when
// that is released, all recordings are forgotten, and so they are whenever the allocator gets a new budget or runs out.
OpenedCard make_replaying(OpenedCard card);

}  // namespace easel
