"""Each rule of tools/check_layers.py catches its violation, in a copy of the rules with a few made-up files."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class CheckLayers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "docs").mkdir()
        shutil.copy(ROOT / "docs/architecture.md", self.root / "docs")
        self.write("easel/base/error.h", "#include <fmt/format.h>\n#include <string>\n")
        self.write("easel/tensor/tensor.h", '#include "easel/base/error.h"\n')
        self.write("easel/unet/unet.h", '#include "easel/tensor/tensor.h"\n')
        self.write("easel/vae/vae.h", "#include <vector>\n")

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def verdict(self):
        done = subprocess.run([sys.executable, ROOT / "tools/check_layers.py", self.root], capture_output=True, text=True)
        return done.returncode, done.stdout

    def expect_error(self, *words):
        status, output = self.verdict()
        self.assertEqual(status, 1, output)
        self.assertEqual(output.count("\n"), 1, output)  # one violation, one line
        for word in words:
            self.assertIn(word, output)

    def test_a_tree_that_keeps_the_rules_passes(self):
        self.assertEqual(self.verdict()[0], 0, self.verdict()[1])

    def test_a_stage_must_not_include_another(self):
        self.write("easel/unet/block.cpp", '#include "easel/vae/vae.h"\n')
        self.expect_error("easel/unet/block.cpp", "easel/vae/vae.h")

    def test_a_lower_folder_must_not_include_a_higher_one(self):
        self.write("easel/base/file.cpp", '#include "easel/tensor/tensor.h"\n')
        self.expect_error("easel/base/file.cpp", "base/ may include only: nothing")

    def test_a_program_must_not_see_tensors(self):
        self.write("cli/draw.cpp", '#include "easel/tensor/tensor.h"\n')
        self.expect_error("cli/draw.cpp", "base, image, pipeline")

    def test_only_devices_cpp_may_open_the_private_backends(self):
        self.write("easel/backend/cpu/cpu_backend.h", "#include <omp.h>\n")
        self.write("easel/backend/devices.cpp", '#include "easel/backend/cpu/cpu_backend.h"\n')
        self.assertEqual(self.verdict()[0], 0, self.verdict()[1])
        self.write("easel/backend/other.cpp", '#include "easel/backend/cpu/cpu_backend.h"\n')
        self.expect_error("easel/backend/other.cpp", "private")

    def test_a_library_header_stays_in_its_folder(self):
        self.write("easel/unet/fast.cpp", "#include <oneapi/dnnl/dnnl.hpp>\n")
        self.expect_error("easel/unet/fast.cpp", "dnnl.hpp", "backend/cpu")

    def test_a_library_header_may_be_for_one_file(self):
        self.write("easel/backend/cpu/onednn.cpp", "#include <dnnl.hpp>\n")
        self.assertEqual(self.verdict()[0], 0, self.verdict()[1])
        self.write("easel/backend/cpu/linear.cpp", "#include <dnnl.hpp>\n")
        self.expect_error("easel/backend/cpu/linear.cpp", "dnnl.hpp", "backend/cpu/onednn.cpp")

    def test_a_library_header_stays_out_of_headers(self):
        self.write("easel/image/png.h", "#include <png.h>\n")
        self.expect_error("easel/image/png.h", "in a header")

    def test_device_code_obeys_the_same_rules(self):
        self.write("easel/backend/cuda/kernels/norm.cuh", "#include <cuda_fp16.h>\n")
        self.write("easel/backend/cuda/kernels/norm.cu", '#include "easel/backend/cuda/kernels/norm.cuh"\n')
        self.assertEqual(self.verdict()[0], 0, self.verdict()[1])
        self.write("easel/unet/unet.cu", '#include "easel/backend/cuda/kernels/norm.cuh"\n')
        self.expect_error("easel/unet/unet.cu", "private")
        self.write("easel/unet/unet.cu", "#include <cuda_fp16.h>\n")
        self.expect_error("easel/unet/unet.cu", "cuda_fp16.h", "backend/cuda")
        self.write("easel/unet/unet.cu", "\n")
        self.write("easel/backend/cuda/kernels/norm.cuh", "\n" * 151)
        self.expect_error("norm.cuh", "151 lines, expected at most 150")

    def test_an_unnamed_library_is_reported(self):
        self.write("easel/image/tiff.cpp", "#include <tiffio.h>\n")
        self.expect_error("easel/image/tiff.cpp", "tiffio.h")

    def test_system_calls_stay_in_base(self):
        self.write("easel/vae/map.cpp", "#include <sys/mman.h>\n")
        self.expect_error("easel/vae/map.cpp", "sys/mman.h", "base")

    def test_an_unknown_folder_is_reported(self):
        self.write("easel/misc/odds.cpp", "#include <vector>\n")
        self.expect_error("easel/misc/odds.cpp", "docs/architecture.md")

    def test_nothing_includes_tests(self):
        self.write("easel/vae/vae.cpp", '#include "tests/support/golden.h"\n')
        self.expect_error("easel/vae/vae.cpp", "tests/support/golden.h")

    def test_circles_are_reported(self):
        self.write("easel/base/a.h", '#include "easel/base/b.h"\n')
        self.write("easel/base/b.h", '#include "easel/base/a.h"\n')
        self.expect_error("easel/base/a.h -> easel/base/b.h -> easel/base/a.h")

    def test_long_files_are_reported(self):
        self.write("easel/vae/long.cpp", "\n" * 401)
        self.expect_error("easel/vae/long.cpp", "401 lines, expected at most 400")
        (self.root / "easel/vae/long.cpp").unlink()
        self.write("tests/vae/long.h", "\n" * 151)
        self.expect_error("tests/vae/long.h", "151 lines, expected at most 150")


if __name__ == "__main__":
    unittest.main()
