#!/usr/bin/env python3
"""What a setting or a checkpoint costs in quality: the same prompts and seeds drawn twice, compared image by image.

quality.py --reference "OPTIONS" --other "OPTIONS" [--other "OPTIONS" ...] [--common "OPTIONS"] [--count N]

OPTIONS are those of `easel txt2img`, each set in one argument; an empty one means the starter model as it is:

    tools/quality.py --reference "" --other "--ckpt q8.gguf" --other "--ckpt q4.gguf" --count 50

The last line per set is PSNR over all pixels of all images (and of the median and the worst image), and the mean SSIM.
The prompts are those of tools/quality_prompts.txt, the seed of prompt i is --seed + i; both sides use f32 unless they say otherwise.
"""

import argparse
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

TOOLS = pathlib.Path(__file__).resolve().parent
BUILD = TOOLS.parent / "build" / "release"


def draw(arguments, options, prompts, folder):
    """Draws every prompt into `folder` as 000.png, 001.png, ...; returns the seconds that took."""
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    for index, prompt in enumerate(prompts):
        image = folder / f"{index:03}.png"
        if image.exists():
            continue
        command = [arguments.easel, "txt2img", "--prompt", prompt, "--seed", str(arguments.seed + index),
                   "--no-watermark", "-o", str(image), *shlex.split(arguments.common), *shlex.split(options)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"quality.py: {shlex.join(command)}\n{done.stderr}")
    return time.monotonic() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", default="", help="options of the images that count as right")
    parser.add_argument("--other", action="append", required=True, help="options to judge; may be given several times")
    parser.add_argument("--common", default="", help="options of both")
    parser.add_argument("--count", type=int, default=50, help="prompts, from the top of the file")
    parser.add_argument("--prompts", type=pathlib.Path, default=TOOLS / "quality_prompts.txt")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--easel", default=str(BUILD / "cli" / "easel"))
    parser.add_argument("--compare", default=str(BUILD / "tools" / "compare_images"))
    parser.add_argument("--keep", type=pathlib.Path, help="folder to keep the images in; what is there already is not "
                                                          "drawn again (a new one for new settings)")
    parser.add_argument("--each", action="store_true", help="a line per image")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    prompts = [line for line in arguments.prompts.read_text(encoding="utf-8").splitlines() if line][:arguments.count]
    if len(prompts) < arguments.count:
        sys.exit(f"quality.py: {arguments.prompts} has {len(prompts)} prompts, {arguments.count} are wanted")
    with tempfile.TemporaryDirectory(prefix="easel-quality-") as temporary:
        folder = arguments.keep or pathlib.Path(temporary)
        results = []
        draw(arguments, arguments.reference, prompts, folder / "reference")
        for number, options in enumerate(arguments.other):
            seconds = draw(arguments, options, prompts, folder / f"other{number}")
            command = [arguments.compare, str(folder / "reference"), str(folder / f"other{number}")]
            flag = ["--json"] if arguments.json else ["--each"] if arguments.each else []
            text = subprocess.run(command + flag, stdout=subprocess.PIPE, text=True, check=True).stdout
            if arguments.json:
                results.append({"options": options, "seconds": seconds, **json.loads(text)})
            else:
                print(f"{options or '(no options)'}, {seconds:.1f} s\n{text}", end="", flush=True)
        if arguments.json:
            print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
