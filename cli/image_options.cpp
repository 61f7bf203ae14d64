#include "cli/image_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/choice_option.h"
#include "easel/image/codec.h"
#include "easel/image/masking.h"

namespace easel::cli {
namespace {

// What is transparent in a mask counts as black.
Mask mask_from(const DecodedImage& file) {
  Mask mask = grey_from(file.image);
  if (!file.alpha) return mask;
  const Mask black(mask.width_px(), mask.height_px());
  return grey_from(composite(image_from(black), image_from(mask), *file.alpha));
}

bool is_transparent_somewhere(const Mask& alpha) {
  return std::any_of(alpha.bytes().begin(), alpha.bytes().end(), [](uint8_t value) { return value < 255; });
}

}  // namespace

void add_init_image_options(CLI::App& command, ImageArgs& args, Request& request) {
  const std::string group = "Initial image";
  command.add_option("--init-img,--init-image", args.init_image, "PNG, JPEG or WebP file to start from")
      ->required()
      ->type_name("FILE")
      ->group(group);
  command
      .add_option("--strength,--denoising-strength", request.strength,
                  "How much of it gives way: 0 leaves it, 1 draws from noise [0.75]")
      ->type_name("X")
      ->group(group);
  add_choice_option(command, "--strength-mode", request.strength_mode, "Whose reading of the strength [compvis]",
                    group);
  add_choice_option(command, "--resize-mode", request.resize_mode, "How the image gets to the size that is drawn",
                    group);
  command
      .add_option("--image-seed", request.image_seed, "Seed of the noise with which the image is encoded [as --seed]")
      ->type_name("N")
      ->group(group);
}

void add_mask_options(CLI::App& command, ImageArgs& args, Request& request) {
  const std::string group = "Mask";
  command
      .add_option("--mask,--mask-img", args.mask,
                  "Image of the same size, white where to draw anew [where the initial image is transparent]")
      ->type_name("FILE")
      ->group(group);
  command.add_flag("--invert-mask", request.invert_mask, "Draw anew where the mask is black")->group(group);
  command.add_option("--mask-blur", request.mask_blur_px, "Softness of the mask's border in pixels [4]")
      ->type_name("N")
      ->group(group);
  add_choice_option(command, "--mask-fill", request.mask_fill, "What is under the mask at the start [original]", group);
  command.add_flag("--only-masked", request.only_masked, "Draw the masked part alone, at the full width and height")
      ->group(group);
  command.add_option("--mask-padding", request.mask_padding_px, "What --only-masked sees around the mask, pixels [32]")
      ->type_name("N")
      ->group(group);
  command
      .add_flag("!--no-composite", request.composite,
                "Leave everything as the network gives it, also where the mask is black")
      ->group(group);
  const std::string margins = "Extend the image (outpainting)";
  command.add_option("--left", request.margins.left_px, "Pixels to add at the left")->type_name("N")->group(margins);
  command.add_option("--top", request.margins.top_px, "At the top")->type_name("N")->group(margins);
  command.add_option("--right", request.margins.right_px, "At the right")->type_name("N")->group(margins);
  command.add_option("--bottom", request.margins.bottom_px, "At the bottom")->type_name("N")->group(margins);
}

void add_depth_options(CLI::App& command, ImageArgs& args) {
  command
      .add_option("--depth-map", args.depth_map,
                  "Grey image of 8 or 16 bits, brighter is nearer [the depth network's estimate]")
      ->type_name("FILE")
      ->group("Depth");
}

void read_images(const ImageArgs& args, Request& request) {
  if (!args.init_image) return;
  const DecodedImage image = load_image(*args.init_image);
  request.init_image = image.image;
  if (args.depth_map) request.depth_map = load_grey16(*args.depth_map);
  if (args.mask) {
    request.mask = mask_from(load_image(*args.mask));
  } else if (request.task == Task::inpaint && image.alpha && is_transparent_somewhere(*image.alpha)) {
    request.mask = inverted(*image.alpha);
  }
}

}  // namespace easel::cli
