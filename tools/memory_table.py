#!/usr/bin/env python3
"""What easel plans to take beside what it takes, for 30 settings, as a Markdown table.

    tools/memory_table.py build/release/cli/easel FULL_SD1_CHECKPOINT [--only N[-M]]

The peak is the largest resident set that the system counted for the process, pages of mapped files included. Exits with
1 if a plan is below the peak, or more than 15 % above it.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MOST_ABOVE = 1.15
STEPS = "2"  # in the second, blocks kept from the whole first meet the pages of the largest weight


def settings(full):
    """(name of the model, its file, arguments) of each setting."""
    tiny = os.path.join(ROOT, "tests/golden/models/sd1-tiny.ckpt")
    tiny2 = os.path.join(ROOT, "tests/golden/models/sd2-tiny.safetensors")
    starter = os.path.join(ROOT, "assets/starter.safetensors")
    rows = []

    def add(model, file, *argument_lists):
        rows.extend((model, file, arguments.split()) for arguments in argument_lists)

    add("SD 1", full,
        "--W 512 --H 512",
        "--W 512 --H 512 --memory-limit 2600M",
        "--W 512 --H 512 --memory-limit 1500M",
        "--W 512 --H 512 --memory-limit 800M",
        "--W 512 --H 512 --memory-limit 500M",
        "--W 512 --H 512 --low-memory",
        "--W 512 --H 512 --scale 1",
        "--W 512 --H 512 --scale 1 --memory-limit 600M",
        "--W 256 --H 256",
        "--W 256 --H 256 --low-memory",
        "--W 768 --H 512 --memory-limit 1G",
        "--W 256 --H 256 --batch-size 2 --memory-limit 700M")
    add("starter", starter,
        "--W 128 --H 128",
        "--W 256 --H 256",
        "--W 256 --H 256 --low-memory",
        "--W 512 --H 512",
        "--W 512 --H 512 --low-memory",
        "--W 512 --H 512 --memory-limit 300M",
        "--W 256 --H 256 --batch-size 4",
        "--W 256 --H 256 --batch-size 4 --low-memory",
        "--W 768 --H 768 --low-memory",
        "--W 1024 --H 1024 --memory-limit 700M")
    add("tiny SD 1", tiny,
        "--W 256 --H 256",
        "--W 512 --H 512",
        "--W 512 --H 512 --low-memory",
        "--W 768 --H 768 --memory-limit 400M",
        "--W 1024 --H 1024")
    add("tiny SD 2", tiny2,
        "--W 512 --H 512 --prediction v",
        "--W 512 --H 512 --prediction v --low-memory",
        "--W 1024 --H 1024 --prediction v --low-memory")
    return rows


def run(easel, file, arguments, threads):
    """(planned bytes, peak bytes, seconds per step, seconds of decoding)"""
    with tempfile.TemporaryDirectory() as folder:
        command = [easel, "txt2img", "--ckpt", file, "--prompt", "a photograph", "--seed", "1", "--steps", STEPS,
                   "--sampler", "euler", "--threads", str(threads), "--outdir", folder, "--json", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit status {process.returncode}")
    summary = json.loads(output)
    return (summary["planned_rss_bytes"], usage.ru_maxrss * 1024, summary["seconds_per_step"],
            summary["seconds"]["decoding"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("easel")
    parser.add_argument("full")
    parser.add_argument("--only", default="1-99", help="settings N to M, counted from 1")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    first, _, last = options.only.partition("-")
    wrong = 0
    print("| | model | options | planned | measured | planned / measured | a step | decoding |")
    print("|---|---|---|---|---|---|---|---|")
    for number, (model, file, arguments) in enumerate(settings(options.full), 1):
        if not int(first) <= number <= int(last or first):
            continue
        planned, peak, step, decoding = run(options.easel, file, arguments, options.threads)
        ratio = planned / peak
        wrong += not 1 <= ratio <= MOST_ABOVE
        print(f"| {number} | {model} | `{' '.join(arguments)}` | {planned / 1e6:.0f} MB | {peak / 1e6:.0f} MB | {ratio:.2f} "
              f"| {step:.2f} s | {decoding:.2f} s |", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
