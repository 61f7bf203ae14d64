// A plug-in with cards made of the host (card_backend.h): one, or as many as EASEL_TEST_CARDS says, which may fail
// (card_faults.h). Behind them comes one that cannot be used.
#include <cstdlib>
#include <fstream>

#include "easel/backend/card_numbers.h"
#include "tests/plugins/card_backend.h"
#include "tests/plugins/card_memory.h"

namespace {

using namespace easel;

constexpr uint64_t kCardBytes = 8'000'000'000;

// With EASEL_TEST_CARD_BYTES the card has only so many.
uint64_t card_bytes() {
  const char* const bytes = std::getenv("EASEL_TEST_CARD_BYTES");
  return bytes == nullptr ? kCardBytes : std::strtoull(bytes, nullptr, 10);
}

// EASEL_TEST_CARD_TYPE: what the card computes in, if nobody says otherwise.
DType best_type() {
  const char* const name = std::getenv("EASEL_TEST_CARD_TYPE");
  return name != nullptr && std::string_view(name) == "f16" ? DType::f16 : DType::f32;
}

// EASEL_TEST_CARD_CAPABILITY: 10 * major + minor, 9.0 if nobody says otherwise.
int capability() {
  const char* const number = std::getenv("EASEL_TEST_CARD_CAPABILITY");
  return number == nullptr ? 90 : std::atoi(number);
}

// EASEL_TEST_CARD_COUNTS: a file that is told, when a card is closed, what was recorded and run.
std::shared_ptr<testing::CardCounts> counts() {
  const char* const file = std::getenv("EASEL_TEST_CARD_COUNTS");
  if (file == nullptr) return std::make_shared<testing::CardCounts>();
  const auto tell = [file = std::string(file)](const testing::CardCounts* counts) {
    std::ofstream(file) << counts->recordings << " recorded, " << counts->runs << " run";
    delete counts;
  };
  return {new testing::CardCounts(), tell};
}

int card_count() {
  const char* const count = std::getenv("EASEL_TEST_CARDS");
  return count == nullptr ? 1 : std::atoi(count);
}

class CardPlugin : public DevicePlugin {
 public:
  std::vector<CardInfo> cards(bool opens) const override {
    std::vector<CardInfo> cards;
    for (int index = 0; index < card_count(); ++index) {
      cards.push_back({.name = "Test card",
                       .details = "made of host memory",
                       .total_bytes = card_bytes(),
                       .free_bytes = opens ? card_bytes() : 0});
      if (testing::CardFaults(index).is_lost()) cards.back().unusable_because = "it does not answer";
    }
    cards.push_back(
        {.name = "Old card", .details = "", .unusable_because = "its compute capability is 1.0, expected 7.5"});
    return cards;
  }
  OpenedCard open(const CardOptions& options) const override {
    EASEL_ASSERT(options.index < card_count());
    card::check_numbers(options, cards(false)[0].name, capability());
    auto tape = std::make_shared<testing::CardTape>(testing::CardFaults(options.index));
    const uint64_t bytes = std::min(card_bytes(), options.memory_limit_bytes);
    return {.allocator = std::make_unique<testing::CardMemory>(bytes, tape),
            .backend = std::make_shared<testing::CardBackend>(options.activation_type.value_or(best_type()),
                                                              options.reduced, tape),
            .recorder = std::make_unique<testing::CardRecorder>(tape, counts())};
  }
};

}  // namespace

EASEL_EXPORT_DEVICES(CardPlugin)
