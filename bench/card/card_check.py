#!/usr/bin/env python3
"""Everything that has to be seen on a card (docs/cuda.md), in order of importance, within a time limit: devices, every
operation and network beside the processor's, speed beside PyTorch, whole pictures, memory limits, a sanitizer.

card_check.py BUILD OUT [--minutes 9] [--only NAME...]

BUILD: a finished build. OUT: where logs, pictures and summary.json go. A step that fails or takes too long is noted
and the next one begins; the exit status is the number of steps that failed.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT = ["--prompt", "a red bird on a branch", "--seed", "1"]
NETWORKS = ["nn", "text_encoder", "unet", "control", "vae", "depth", "upscale"]


class Check:
    def __init__(self, build, out, minutes):
        self.build, self.out = build, out
        self.end = time.monotonic() + 60 * minutes
        self.summary = []
        out.mkdir(parents=True, exist_ok=True)

    def run(self, name, seconds, command, environment=None, needs=None):
        """One step, its output in OUT/NAME.log; what it prints as JSON, if it does."""
        left = self.end - time.monotonic()
        if needs is not None and not pathlib.Path(needs).exists():
            return self.note(name, "skipped", 0.0, f"{needs} is missing")
        if left < 5:
            return self.note(name, "skipped", 0.0, "no time is left")
        log = self.out / f"{name}.log"
        start = time.monotonic()
        try:
            with open(log, "wb") as file:
                status = subprocess.run([str(part) for part in command], stdout=file, stderr=subprocess.STDOUT, cwd=ROOT,
                                        env={**os.environ, **(environment or {})}, timeout=min(seconds, left)).returncode
            result = "passed" if status == 0 else f"failed with status {status}"
        except subprocess.TimeoutExpired:
            result = "took too long"
        except OSError as error:
            result = f"could not be started: {error}"
        text = log.read_text(errors="replace")
        return self.note(name, result, time.monotonic() - start, "\n".join(text.splitlines()[-12:]), text)

    def note(self, name, result, seconds, tail, text=""):
        self.summary.append({"name": name, "result": result, "seconds": round(seconds, 2), "tail": tail})
        print(f"{name:24} {result:12} {seconds:7.1f} s", flush=True)
        if result not in ("passed", "skipped"):
            print("    " + tail.replace("\n", "\n    "), flush=True)
        (self.out / "summary.json").write_text(json.dumps(self.summary, indent=2))
        try:
            return json.loads(text[text.index("{"):text.rindex("}") + 1])
        except ValueError:
            return None

    def failures(self):
        return sum(step["result"] not in ("passed", "skipped") for step in self.summary)


def parts(check):
    """Name -> what is done, in this order."""
    build, out = check.build, check.out
    easel = build / "cli" / "easel"
    on_card = {"EASEL_TEST_DEVICE": "cuda:0", "EASEL_DEVICE": "cuda:0"}
    checkpoint = {family: out / f"{family}.safetensors" for family in ("sd1", "sd2", "x4_upscaler")}

    def test(folder, seconds, *more):
        return lambda: check.run(f"test_{folder}", seconds, [build / "tests" / f"test_{folder}", "--gtest_brief=1", *more], on_card)

    def write(family):
        if not checkpoint[family].exists():
            check.run(f"write_{family}", 90, [build / "tools" / "formula_checkpoint",
                                              ROOT / "tests" / "golden" / "checkpoints" / f"{family}.json", checkpoint[family]])

    def draw(name, seconds, family, *more, environment=None, device="cuda:0"):
        write(family)
        target = ["--outdir", out / name] if "--batch-size" in more else ["-o", out / f"{name}.png"]
        result = check.run(name, seconds, [easel, "txt2img", "--ckpt", checkpoint[family], "--device", device, *PROMPT,
                                           "--json", *target, *more], environment, checkpoint[family])
        if result:
            print("    " + json.dumps(result.get("seconds", {})), flush=True)

    def speed():
        write("sd1")
        for name, environment in (("speed", {}), ("speed_one_by_one", {"EASEL_CUDA_GRAPHS": "off"})):
            ours = check.run(name, 120, [build / "bench" / "card_bench", checkpoint["sd1"]], environment, checkpoint["sd1"])
            for step in (ours or {}).get("steps", []):
                print(f"    {step['rows']} rows: {step['step_milliseconds']:.2f} ms, {step['share_of_product_rate']:.2f} of the "
                      f"rate of products ({ours['product_tflops']:.0f} TFLOP/s)", flush=True)
        theirs = check.run("torch", 240, [sys.executable, ROOT / "bench" / "card" / "torch_unet.py"])
        for step in (theirs or {}).get("steps", []):
            print(f"    {step['rows']} rows: {step['step_milliseconds']:.2f} ms", flush=True)

    def pictures():
        draw("first_image", 60, "sd1", "--steps", "50")
        draw("warm_image", 60, "sd1", "--steps", "50")
        draw("batch_of_8", 60, "sd1", "--steps", "50", "--batch-size", "8")
        draw("without_graphs", 60, "sd1", "--steps", "50", environment={"EASEL_CUDA_GRAPHS": "off"})
        draw("f32", 60, "sd1", "--steps", "10", "--precision", "full")
        draw("f16", 60, "sd1", "--steps", "10")
        draw("processor", 240, "sd1", "--steps", "10", device="cpu")
        for name in ("f32", "f16"):
            check.run(f"{name}_beside_processor", 20, [build / "tools" / "compare_images", out / f"{name}.png", out / "processor.png"],
                      needs=out / "processor.png")

    def memory():
        for limit in ("8G", "4G", "2G", "1G"):
            draw(f"limit_{limit}", 90, "sd1", "--steps", "10", "--memory-limit", limit)
        draw("sd2_768_in_8G", 90, "sd2", "--steps", "10", "--width", "768", "--height", "768", "--memory-limit", "8G")

    def upscale():
        write("x4_upscaler")
        check.run("x4_512_in_8G", 150, [easel, "upscale", out / "warm_image.png", "--ckpt", checkpoint["x4_upscaler"], "--device",
                                        "cuda:0", "--steps", "5", "--memory-limit", "8G", "--json", "-o", out / "x4.png"],
                  needs=out / "warm_image.png")

    def sanitizer():
        tool = shutil.which("compute-sanitizer")
        if tool is None:
            return check.note("sanitizer", "skipped", 0.0, "compute-sanitizer is not installed")
        return check.run("sanitizer", 180, [tool, "--error-exitcode", "9", build / "tests" / "test_gpu", "--gtest_brief=1",
                                            "--gtest_filter=*Operations*"], on_card)

    return {
        "devices": lambda: check.run("devices", 30, [easel, "devices"]),
        "operations": test("gpu", 120),
        "speed": speed,
        "pictures": pictures,
        "memory": memory,
        "networks": lambda: [test(folder, 60)() for folder in NETWORKS],
        "upscale": upscale,
        "sanitizer": sanitizer,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these parts alone")
    arguments = parser.parse_args()
    check = Check(arguments.build.resolve(), arguments.out.resolve(), arguments.minutes)
    todo = parts(check)
    unknown = sorted(set(arguments.only or []) - set(todo))
    if unknown:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(todo)}")
    for name, part in todo.items():
        if not arguments.only or name in arguments.only:
            part()
    return check.failures()


if __name__ == "__main__":
    sys.exit(main())
