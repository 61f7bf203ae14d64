#!/usr/bin/env python3
"""Two Google Benchmark results side by side.

compare_bench.py BEFORE.json AFTER.json: time and rate of each benchmark in both, and how many times faster AFTER is.
Write such a file with: build/release/bench/ops_bench --benchmark_out=before.json --benchmark_out_format=json
"""

import argparse
import json
import math
import sys

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
RATES = ("GFLOP/s", "GB/s")  # the counters of bench/


def read(path):
    """Name -> (seconds, rate as text), with the median where the benchmark was repeated."""
    with open(path, encoding="utf-8") as file:
        runs = [run for run in json.load(file)["benchmarks"] if not run.get("error_occurred")]
    repeated = [run for run in runs if run.get("aggregate_name") == "median"]
    result = {}
    for run in repeated or [run for run in runs if run.get("run_type") != "aggregate"]:
        rate = next((f"{run[name]:.3g} {name}" for name in RATES if name in run), "")
        result[run.get("run_name", run["name"])] = (run["real_time"] * UNITS[run["time_unit"]], rate)
    return result


def time_text(seconds):
    unit = next((unit for unit in ("s", "ms", "us") if seconds >= UNITS[unit]), "ns")
    return f"{seconds / UNITS[unit]:.3g} {unit}"


def table(before, after):
    rows = [("benchmark", "before", "after", "before", "after", "faster")]
    ratios = []
    for name in before:
        if name in after:
            ratios.append(before[name][0] / after[name][0])
            rows.append((name, time_text(before[name][0]), time_text(after[name][0]), before[name][1], after[name][1],
                         f"{ratios[-1]:.2f}x"))
    if ratios:
        rows.append(("geometric mean", "", "", "", "", f"{math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}x"))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before")
    parser.add_argument("after")
    arguments = parser.parse_args()
    before, after = read(arguments.before), read(arguments.after)
    rows = table(before, after)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())
    for name, only in (("before", set(before) - set(after)), ("after", set(after) - set(before))):
        if only:
            print(f"only {name}: {', '.join(sorted(only))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
