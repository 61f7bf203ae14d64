#!/usr/bin/env python3
"""Runs clang-tidy's checks of .clang-tidy over the sources that changed since they last passed.

tidy.py BUILD_FOLDER: needs a finished build, whose record of headers says when a source has to be looked at again.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOOL = "clang-tidy-14"
FOLDERS = ("easel", "cli", "server", "tools")
# GCC's own options mean nothing to clang.
EXTRA = ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-ignored-optimization-argument"]


def headers_by_object(build):
    """What ninja recorded: object file -> all files that its compilation read."""
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True).stdout
    result, current = {}, None
    for line in listing.splitlines():
        if line.startswith(" "):
            result[current].append(line.strip())
        elif ":" in line:
            current = line.split(":")[0]
            result[current] = []
    return result


def fingerprint(command, files):
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes() + command.encode())
    for file in sorted(set(files)):
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()


def own_files(build, names):
    paths = (pathlib.Path(os.path.normpath(build / name)) for name in names)
    return [path.relative_to(ROOT).as_posix() for path in paths if path.is_relative_to(ROOT) and path.exists()]


def outstanding(build, stamps):
    headers = headers_by_object(build)
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["file"])
        if not source.is_relative_to(ROOT) or source.relative_to(ROOT).parts[0] not in FOLDERS or not source.exists():
            continue
        if source.suffix == ".cu":  # clang-tidy 14 does not know the CUDA of today
            continue
        found = re.search(r" -o (\S+)", entry["command"])
        files = own_files(build, headers.get(found.group(1) if found else "", [])) + [source.relative_to(ROOT).as_posix()]
        mark = fingerprint(entry["command"], files)
        stamp = stamps / source.relative_to(ROOT).as_posix().replace("/", "_")
        if not stamp.exists() or stamp.read_text() != mark:
            yield source, stamp, mark


def examine(build, source, stamp, mark):
    done = subprocess.run([TOOL, "--quiet", "-p", build, *EXTRA, source], capture_output=True, text=True)
    if done.returncode == 0:
        stamp.write_text(mark)
        return None
    return done.stdout + "\n".join(line for line in done.stderr.splitlines() if "error" in line)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = [pool.submit(examine, build, *work) for work in outstanding(build, stamps)]
        complaints = [text for text in (job.result() for job in jobs) if text]
    print("\n".join(complaints + [f"tidy: {len(jobs)} sources examined, {len(complaints)} with complaints"]))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
