// The commands of easel: each declares its options and, when chosen, calls the library.
#pragma once

namespace CLI {
class App;
}

namespace easel::cli {

void add_txt2img_command(CLI::App& app);
void add_img2img_command(CLI::App& app);
void add_inpaint_command(CLI::App& app);
void add_depth2img_command(CLI::App& app);
void add_depth_command(CLI::App& app);
void add_upscale_command(CLI::App& app);
void add_convert_command(CLI::App& app);
void add_info_command(CLI::App& app);
void add_models_command(CLI::App& app);
void add_samplers_command(CLI::App& app);
void add_devices_command(CLI::App& app);
void add_watermark_command(CLI::App& app);
void add_serve_command(CLI::App& app);

}  // namespace easel::cli
