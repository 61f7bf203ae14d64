// A plug-in on a machine without cards, or with EASEL_TEST_NO_DRIVER without their driver.
#include <cstdlib>

#include "easel/backend/plugin.h"

namespace {

class EmptyPlugin : public easel::DevicePlugin {
 public:
  std::vector<easel::CardInfo> cards(bool /*opens*/) const override {
    if (std::getenv("EASEL_TEST_NO_DRIVER") != nullptr) {
      throw easel::Error(easel::ErrorCode::device_failure, "the driver is missing");
    }
    return {};
  }
  easel::OpenedCard open(const easel::CardOptions& /*options*/) const override { return {}; }
};

}  // namespace

EASEL_EXPORT_DEVICES(EmptyPlugin)
