// How much the images of one folder differ from those of the same names in another: PSNR and SSIM of each pair.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "easel/base/error.h"
#include "easel/image/codec.h"

namespace easel {
namespace {

namespace fs = std::filesystem;

struct Difference {
  std::string name;
  double square_error;  // mean over all bytes
  double ssim;          // of the luma
  int largest;          // of any byte
};

double psnr(double square_error) {
  return square_error == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(255.0 * 255.0 / square_error);
}

// Weights of the 11 x 11 window of Wang et al. 2004: a Gaussian of sigma 1.5.
std::vector<double> window() {
  constexpr int kRadius = 5;
  std::vector<double> weights;
  double sum = 0;
  for (int i = -kRadius; i <= kRadius; ++i) sum += weights.emplace_back(std::exp(-i * i / (2 * 1.5 * 1.5)));
  for (double& weight : weights) weight /= sum;
  return weights;
}

// Windows that lie in the image: [h, w] -> [h - 10, w - 10].
std::vector<double> blur(const std::vector<double>& x, size_t h, size_t w) {
  static const std::vector<double> weights = window();
  const size_t out_h = h + 1 - weights.size();
  const size_t out_w = w + 1 - weights.size();
  std::vector<double> rows(h * out_w);
  for (size_t i = 0; i < h; ++i) {
    for (size_t j = 0; j < out_w; ++j) {
      for (size_t k = 0; k < weights.size(); ++k) rows[i * out_w + j] += weights[k] * x[i * w + j + k];
    }
  }
  std::vector<double> out(out_h * out_w);
  for (size_t i = 0; i < out_h; ++i) {
    for (size_t j = 0; j < out_w; ++j) {
      for (size_t k = 0; k < weights.size(); ++k) out[i * out_w + j] += weights[k] * rows[(i + k) * out_w + j];
    }
  }
  return out;
}

std::vector<double> product(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out(a.size());
  std::transform(a.begin(), a.end(), b.begin(), out.begin(), std::multiplies<>());
  return out;
}

// Structural similarity (Wang et al. 2004, equation 13), the mean over all windows.
double ssim(const Image& first, const Image& second) {
  const Mask first_grey = grey_from(first);
  const Mask second_grey = grey_from(second);
  const std::vector<double> x(first_grey.bytes().begin(), first_grey.bytes().end());
  const std::vector<double> y(second_grey.bytes().begin(), second_grey.bytes().end());
  const auto h = static_cast<size_t>(first.height_px());
  const auto w = static_cast<size_t>(first.width_px());
  const auto mean_x = blur(x, h, w);
  const auto mean_y = blur(y, h, w);
  const auto xx = blur(product(x, x), h, w);
  const auto yy = blur(product(y, y), h, w);
  const auto xy = blur(product(x, y), h, w);
  constexpr double kC1 = 0.01 * 255 * 0.01 * 255;
  constexpr double kC2 = 0.03 * 255 * 0.03 * 255;
  double sum = 0;
  for (size_t i = 0; i < mean_x.size(); ++i) {
    const double means = mean_x[i] * mean_y[i];
    const double squares = mean_x[i] * mean_x[i] + mean_y[i] * mean_y[i];
    const double variances = xx[i] + yy[i] - squares;
    sum += (2 * means + kC1) * (2 * (xy[i] - means) + kC2) / ((squares + kC1) * (variances + kC2));
  }
  return sum / static_cast<double>(mean_x.size());
}

Difference compare(const fs::path& first_path, const fs::path& second_path) {
  constexpr int64_t kSmallest = 11;  // SSIM's window
  const Image first = load_image(first_path).image;
  const Image second = load_image(second_path).image;
  if (first.size() != second.size() || first.width_px() < kSmallest || first.height_px() < kSmallest) {
    throw Error(ErrorCode::bad_image, "{} has {} x {} pixels and {} has {} x {}; expected the same, at least 11 x 11",
                first_path.string(), first.width_px(), first.height_px(), second_path.string(), second.width_px(),
                second.height_px());
  }
  Difference difference{.name = first_path.filename().string(), .square_error = 0, .ssim = 0, .largest = 0};
  for (size_t i = 0; i < first.bytes().size(); ++i) {
    const int delta = std::abs(int{first.bytes()[i]} - int{second.bytes()[i]});
    difference.square_error += delta * delta;
    difference.largest = std::max(difference.largest, delta);
  }
  difference.square_error /= static_cast<double>(first.bytes().size());
  difference.ssim = ssim(first, second);
  return difference;
}

std::vector<Difference> compare_folders(const fs::path& first, const fs::path& second) {
  std::vector<Difference> differences;
  for (const fs::directory_entry& entry : fs::directory_iterator(first)) {
    if (entry.path().extension() != ".png") continue;
    differences.push_back(compare(entry.path(), second / entry.path().filename()));
  }
  if (differences.empty()) throw Error(ErrorCode::not_found, "{}: holds no .png file", first.string());
  std::sort(differences.begin(), differences.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return differences;
}

double mean_of(const std::vector<Difference>& differences, double (*value)(const Difference&)) {
  double sum = 0;
  for (const Difference& difference : differences) sum += value(difference);
  return sum / static_cast<double>(differences.size());
}

void print(const std::vector<Difference>& differences, bool json, bool each) {
  std::vector<double> decibels;
  for (const Difference& difference : differences) decibels.push_back(psnr(difference.square_error));
  std::sort(decibels.begin(), decibels.end());
  // Over all pixels of all images: one bad image weighs as it looks.
  const double overall = psnr(mean_of(differences, [](const Difference& d) { return d.square_error; }));
  const double mean_ssim = mean_of(differences, [](const Difference& d) { return d.ssim; });
  if (json) {
    nlohmann::ordered_json out{{"images", differences.size()},
                               {"psnr_db", overall},
                               {"psnr_db_lowest", decibels.front()},
                               {"psnr_db_median", decibels[decibels.size() / 2]},
                               {"ssim", mean_ssim},
                               {"each", nlohmann::json::array()}};
    for (const Difference& d : differences) {
      out["each"].push_back(
          {{"name", d.name}, {"psnr_db", psnr(d.square_error)}, {"ssim", d.ssim}, {"largest", d.largest}});
    }
    fmt::print("{}\n", out.dump(2));
    return;
  }
  if (each) {
    fmt::print("{:<32} {:>8} {:>7} {:>8}\n", "image", "PSNR dB", "SSIM", "largest");
    for (const Difference& d : differences) {
      fmt::print("{:<32} {:>8.2f} {:>7.4f} {:>8}\n", d.name, psnr(d.square_error), d.ssim, d.largest);
    }
  }
  fmt::print("{} images: PSNR {:.2f} dB over all pixels (median image {:.2f}, worst {:.2f}), SSIM {:.4f}\n",
             differences.size(), overall, decibels[decibels.size() / 2], decibels.front(), mean_ssim);
}

}  // namespace
}  // namespace easel

int main(int argc, char** argv) try {
  CLI::App app("Compares the PNG images of one folder with those of the same names in another");
  std::filesystem::path first;
  std::filesystem::path second;
  bool json = false;
  bool each = false;
  app.add_option("first", first, "Folder of the reference")->required();
  app.add_option("second", second, "Folder of what is judged")->required();
  app.add_flag("--json", json, "Print as JSON");
  app.add_flag("--each", each, "A line per image too");
  CLI11_PARSE(app, argc, argv);
  easel::print(easel::compare_folders(first, second), json, each);
  return 0;
} catch (const std::exception& failure) {
  fmt::print(stderr, "compare_images: {}\n", failure.what());
  return 1;
}
