"""tools/compare_bench.py on two small results."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/compare_bench.py"


def run(name, time, unit="ms", **extra):
    return {"name": name, "run_name": name, "run_type": "iteration", "real_time": time, "time_unit": unit, **extra}


class CompareBench(unittest.TestCase):
    def compare(self, before, after):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, runs in (("before", before), ("after", after)):
                paths.append(pathlib.Path(folder) / name)
                paths[-1].write_text(json.dumps({"benchmarks": runs}))
            return subprocess.run([sys.executable, TOOL, *paths], capture_output=True, text=True, check=True).stdout

    def test_ratios_across_units(self):
        output = self.compare([run("conv", 3.0), run("silu", 100.0, "us"), run("gone", 1.0)],
                              [run("conv", 1500.0, "us"), run("silu", 0.2), run("new", 1.0)])
        lines = [line.split() for line in output.splitlines()]
        self.assertEqual(lines[1], ["conv", "3", "ms", "1.5", "ms", "2.00x"])
        self.assertEqual(lines[2], ["silu", "100", "us", "200", "us", "0.50x"])
        self.assertEqual(lines[3], ["geometric", "mean", "1.00x"])
        self.assertIn("only before: gone", output)
        self.assertIn("only after: new", output)

    def test_rates_stand_beside_the_times(self):
        output = self.compare([run("conv", 3.0, **{"GFLOP/s": 251.2})], [run("conv", 1.5, **{"GFLOP/s": 502.4})])
        self.assertIn("251 GFLOP/s  502 GFLOP/s   2.00x", output)

    def test_medians_of_repetitions(self):
        median = run("conv", 4.0, run_type="aggregate", aggregate_name="median")
        output = self.compare([run("conv", 9.0), median], [run("conv", 2.0)])
        self.assertIn("2.00x", output)


if __name__ == "__main__":
    unittest.main()
