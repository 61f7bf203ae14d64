// The small reference models, and how far a whole network may be from the reference.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "easel/unet/unet.h"
#include "tests/support/device.h"
#include "tests/support/golden.h"
#include "tests/support/tensor_near.h"

namespace easel::testing {

struct Model {
  std::string name;
  std::string file;

  Golden golden() const { return Golden("models/" + name + ".reference", cpu_device()); }
  Weights unet_weights() const {
    return Weights(Checkpoint::open(golden_path("models/" + file))) / "model.diffusion_model";
  }
};

inline std::vector<Model> models() {
  return {{"sd1-tiny", "sd1-tiny.ckpt"},
          {"sd2-tiny", "sd2-tiny.safetensors"},
          {"sd1-inpaint-tiny", "sd1-inpaint-tiny.safetensors"},
          {"sd2-depth-tiny", "sd2-depth-tiny.safetensors"},
          {"x4-upscaler-tiny", "x4-upscaler-tiny.safetensors"}};
}

// Those of which the reference recorded what goes on inside.
inline std::vector<Model> observed_models() {
  std::vector<Model> out;
  for (const Model& model : models()) {
    if (model.golden().has("unet.0.act.out")) out.push_back(model);
  }
  return out;
}

inline std::string model_name(const ::testing::TestParamInfo<Model>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// `steps` computations in a row, each a sum of up to `reduction_length` products: their rounding errors are
// independent, and residual connections and normalisation keep their size.
inline double network_tolerance(int64_t reduction_length, int64_t steps) {
  return tolerance(DType::f32, reduction_length * steps);
}

}  // namespace easel::testing
