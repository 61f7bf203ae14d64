#include "server/a1111/foreign_fields.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "easel/base/error.h"

namespace easel::server {
namespace {

// A field, and what asks for nothing beside null, false, 0 and empty values.
struct Foreign {
  std::string_view key;
  double neutral = 0.0;
  std::string_view neutral_text = "";
};
constexpr std::array kForeign = {
    Foreign{"styles"},
    Foreign{"seed_resize_from_h", -1},
    Foreign{"seed_resize_from_w", -1},
    Foreign{"restore_faces"},
    Foreign{"s_churn"},
    Foreign{"s_min_uncond"},
    Foreign{"s_noise", 1},
    Foreign{"refiner_checkpoint"},
    Foreign{"script_name", 0, "None"},
    Foreign{"alwayson_scripts"},
    Foreign{"firstpass_image"},
    Foreign{"infotext"},
    Foreign{"initial_noise_multiplier", 1},
    Foreign{"image_cfg_scale", 1.5},
    Foreign{"latent_mask"},
    Foreign{"hr_prompt"},
    Foreign{"hr_negative_prompt"},
    Foreign{"hr_sampler_name", 0, "Use same sampler"},
    Foreign{"hr_scheduler", 0, "Use same scheduler"},
    Foreign{"hr_checkpoint_name", 0, "Use same checkpoint"},
};

// Fields that mean something only beside others, or concern A1111's own files.
constexpr std::array<std::string_view, 27> kDependent = {"subseed",
                                                         "s_tmax",
                                                         "s_tmin",
                                                         "refiner_switch_at",
                                                         "script_args",
                                                         "hr_scale",
                                                         "hr_upscaler",
                                                         "hr_resize_x",
                                                         "hr_resize_y",
                                                         "hr_second_pass_steps",
                                                         "firstphase_width",
                                                         "firstphase_height",
                                                         "comments",
                                                         "disable_extra_networks",
                                                         "denoising_strength",
                                                         "do_not_save_grid",
                                                         "sampler_index",
                                                         "do_not_save_samples",
                                                         "override_settings_restore_afterwards",
                                                         "mask_round",
                                                         "mask_blur",
                                                         "mask_blur_x",
                                                         "mask_blur_y",
                                                         "inpainting_fill",
                                                         "inpaint_full_res",
                                                         "inpaint_full_res_padding",
                                                         "inpainting_mask_invert"};

bool asks_for_nothing(Fields& fields, const Foreign& foreign) {
  const std::string key(foreign.key);
  if (fields.is_blank(key)) return true;
  if (foreign.neutral != 0.0) return fields.number(key, {-1e9, 1e9}) == foreign.neutral;
  return !foreign.neutral_text.empty() && fields.text(key) == std::string(foreign.neutral_text);
}

bool is_known(const std::string& key) {
  const auto is_it = [&](const Foreign& foreign) { return foreign.key == key; };
  return std::any_of(kForeign.begin(), kForeign.end(), is_it) ||
         std::find(kDependent.begin(), kDependent.end(), key) != kDependent.end();
}

}  // namespace

void warn_of_foreign_fields(Fields& fields, std::vector<std::string>& warnings) {
  for (const Foreign& foreign : kForeign) {
    if (!asks_for_nothing(fields, foreign)) {
      warnings.push_back(fmt::format("\"{}\" is not available and changed nothing", foreign.key));
    }
  }
  for (const std::string& key : fields.unread()) {
    if (!is_known(key)) warnings.push_back(fmt::format("\"{}\" is unknown and changed nothing", key));
  }
}

}  // namespace easel::server
