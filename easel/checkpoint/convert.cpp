#include "easel/checkpoint/convert.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <thread>

#include "easel/base/error.h"
#include "easel/base/system.h"
#include "easel/base/text.h"
#include "easel/checkpoint/contents.h"
#include "easel/checkpoint/file_layout.h"

namespace easel {
namespace {

constexpr int64_t kPieceElements = 1 << 19;  // converted at once by a thread: whole blocks of every type

struct Piece {
  int64_t begin;  // element of the tensor
  int64_t count;
};

// What the conversion of some elements cost.
struct ErrorSums {
  double square_error = 0;
  double square = 0;
  double largest = 0;
};

// Buffers of one thread.
struct Workspace {
  std::vector<float> values;
  std::vector<float> rounded;
  std::vector<std::byte> bytes;
  ErrorSums sums;
};

[[noreturn]] void refuse_value(const std::string& file, const WeightData& tensor, DType to, float value) {
  throw Error(ErrorCode::bad_checkpoint, "{}: {} holds {}, which {} cannot hold; choose another --type", file,
              in_quotes(tensor.name), value, name_of(to));
}

class TensorConverter {
 public:
  TensorConverter(const std::string& file, const WeightData& tensor, DType to)
      : file_(file), tensor_(tensor), to_(to), quantizes_(is_quantized(to)) {}

  // Fills work.bytes and work.sums.
  void convert(const Piece& piece, Workspace& work) const {
    const auto from_begin = static_cast<size_t>(bytes_of(tensor_.dtype, piece.begin));
    const auto from_bytes = static_cast<size_t>(bytes_of(tensor_.dtype, piece.count));
    work.values.resize(static_cast<size_t>(piece.count));
    work.rounded.resize(work.values.size());
    work.bytes.resize(static_cast<size_t>(bytes_of(to_, piece.count)));
    convert_to_f32(tensor_.dtype, tensor_.bytes.subspan(from_begin, from_bytes), work.values);
    if (quantizes_) require_finite(work.values);
    convert_from_f32(to_, work.values, work.bytes);
    convert_to_f32(to_, work.bytes, work.rounded);
    work.sums = compare(work.values, work.rounded);
  }

 private:
  void require_finite(std::span<const float> values) const {
    for (const float value : values) {
      if (!std::isfinite(value)) refuse_value(file_, tensor_, to_, value);
    }
  }

  ErrorSums compare(std::span<const float> values, std::span<const float> rounded) const {
    ErrorSums sums;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(rounded[i])) {
        if (std::isfinite(values[i])) refuse_value(file_, tensor_, to_, values[i]);
        continue;  // an infinity or NaN stays one
      }
      const double error = static_cast<double>(rounded[i]) - static_cast<double>(values[i]);
      sums.square_error += error * error;
      sums.square += static_cast<double>(values[i]) * static_cast<double>(values[i]);
      sums.largest = std::max(sums.largest, std::abs(error));
    }
    return sums;
  }

  const std::string& file_;
  const WeightData& tensor_;
  DType to_;
  bool quantizes_;
};

// Runs body(i) for i in [0, count) on a thread each; the first exception is thrown here.
template <typename Body>
void on_threads(size_t count, const Body& body) {
  if (count == 1) return body(0);
  std::vector<std::exception_ptr> failures(count);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        try {
          body(i);
        } catch (...) {
          failures[i] = std::current_exception();
        }
      });
    }
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

// Writes the tensors of one checkpoint one after the other.
class CheckpointWriter {
 public:
  CheckpointWriter(const Checkpoint& checkpoint, const std::filesystem::path& path, const FileLayout& layout,
                   const ConvertOptions& options)
      : checkpoint_(checkpoint),
        options_(options),
        all_bytes_(layout.file_bytes),
        file_(path, layout.file_bytes),
        workspaces_(static_cast<size_t>(std::max(1, processor_count()))) {
    write(layout.header);
  }

  TensorChange write(const WeightData& tensor, DType to, uint64_t zeros_after) {
    const ErrorSums sums = tensor.dtype == to ? copy(tensor) : convert(tensor, to);
    write(std::vector<std::byte>(zeros_after));
    if (tensor.mapping != nullptr) tensor.mapping->release_pages(tensor.bytes);
    return {.name = tensor.name,
            .shape = tensor.shape,
            .from = tensor.dtype,
            .to = to,
            .relative_error = sums.square == 0 ? 0 : std::sqrt(sums.square_error / sums.square),
            .largest_error = sums.largest};
  }

  void finish() {
    EASEL_ASSERT(done_bytes_ == all_bytes_);
    file_.finish();
  }

 private:
  void write(std::span<const std::byte> bytes) {
    if (options_.cancel.cancelled()) throw Error(ErrorCode::cancelled, "the conversion was cancelled");
    file_.write(bytes);
    done_bytes_ += bytes.size();
    if (options_.progress) options_.progress(done_bytes_, all_bytes_);
  }

  ErrorSums copy(const WeightData& tensor) {
    constexpr size_t kCopyBytes = 8 << 20;
    for (size_t done = 0; done < tensor.bytes.size(); done += kCopyBytes) {
      write(tensor.bytes.subspan(done, std::min(kCopyBytes, tensor.bytes.size() - done)));
    }
    return {};
  }

  ErrorSums convert(const WeightData& tensor, DType to) {
    const TensorConverter converter(checkpoint_.file(), tensor, to);
    const int64_t count = tensor.shape.count();
    const auto threads = static_cast<int64_t>(workspaces_.size());
    ErrorSums all;
    for (int64_t begin = 0; begin < count; begin += threads * kPieceElements) {
      const int64_t pieces = std::min(threads, (count - begin + kPieceElements - 1) / kPieceElements);
      on_threads(static_cast<size_t>(pieces), [&](size_t i) {
        const int64_t at = begin + static_cast<int64_t>(i) * kPieceElements;
        converter.convert({.begin = at, .count = std::min(kPieceElements, count - at)}, workspaces_[i]);
      });
      for (size_t i = 0; i < static_cast<size_t>(pieces); ++i) {
        write(workspaces_[i].bytes);
        all.square_error += workspaces_[i].sums.square_error;
        all.square += workspaces_[i].sums.square;
        all.largest = std::max(all.largest, workspaces_[i].sums.largest);
      }
    }
    return all;
  }

  const Checkpoint& checkpoint_;
  const ConvertOptions& options_;
  uint64_t all_bytes_;
  uint64_t done_bytes_ = 0;
  FileWriter file_;
  std::vector<Workspace> workspaces_;
};

CheckpointFormat format_for(const std::filesystem::path& out) {
  const std::string ending = lower_ascii(out.extension().string());
  if (ending == ".safetensors") return CheckpointFormat::safetensors;
  if (ending == ".gguf") return CheckpointFormat::gguf;
  throw Error(ErrorCode::invalid_request, "{}: its ending tells no format; expected .safetensors or .gguf",
              out.string());
}

void check(const std::filesystem::path& out, CheckpointFormat format, const ConvertOptions& options) {
  if (options.type && is_quantized(*options.type) && format == CheckpointFormat::safetensors) {
    throw Error(ErrorCode::invalid_request, "{}: a .safetensors file cannot hold {}; name it .gguf", out.string(),
                name_of(*options.type));
  }
  if (!options.overwrite && std::filesystem::exists(out)) {
    throw Error(ErrorCode::invalid_request, "{}: is there already; choose another name or --overwrite", out.string());
  }
}

}  // namespace

Conversion convert_checkpoint(const std::filesystem::path& in, const std::filesystem::path& out,
                              const ConvertOptions& options) {
  const CheckpointFormat format = format_for(out);
  check(out, format, options);
  const auto checkpoint = Checkpoint::open(in);
  std::vector<PlannedTensor> planned;
  for (const WeightData& tensor : checkpoint->tensors()) {
    planned.push_back({.name = tensor.name, .shape = tensor.shape, .dtype = converted_type(tensor, format, options)});
  }
  const FileLayout layout = format == CheckpointFormat::gguf ? gguf_layout(planned, checkpoint->metadata())
                                                             : safetensors_layout(planned, checkpoint->metadata());
  CheckpointWriter writer(*checkpoint, out, layout, options);
  Conversion conversion{.in_format = std::string(name_of(checkpoint->format())),
                        .out_format = std::string(name_of(format)),
                        .in_bytes = checkpoint->file_bytes(),
                        .out_bytes = layout.file_bytes,
                        .tensors = {}};
  for (size_t i = 0; i < planned.size(); ++i) {
    conversion.tensors.push_back(writer.write(checkpoint->tensors()[i], planned[i].dtype, layout.zeros_after[i]));
  }
  writer.finish();
  std::stable_sort(conversion.tensors.begin(), conversion.tensors.end(),
                   [](const TensorChange& a, const TensorChange& b) { return a.relative_error > b.relative_error; });
  return conversion;
}

}  // namespace easel
