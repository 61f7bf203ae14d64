#!/usr/bin/env python3
"""Measures how faithfully a starter checkpoint draws what it is asked for: a classifier trained on the drawings judges
samples of prompts whose combination of kind, colour, place and time was never trained on; PSNR of the autoencoder.

    python3 tools/starter/evaluate.py --model assets/starter.safetensors --easel build/easel --out FOLDER
    python3 tools/starter/evaluate.py --model FILE --sampler-backend torch --out FOLDER
"""
import argparse
import glob
import json
import os
import random
import subprocess

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cairo  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

import drawing  # noqa: E402
import scenes  # noqa: E402
from checkpoint import Networks  # noqa: E402
from classifier import JUDGED, accuracy, to_tensor, trained_classifier  # noqa: E402
from presets import PRESETS  # noqa: E402
from sampling import SAMPLERS  # noqa: E402


def test_prompts(grammar, count, seed=0):
    """(prompt, scene) pairs with held-out combinations; the colour is always told."""
    rng, found = random.Random(f"evaluate/{seed}"), []
    while len(found) < count:
        scene = scenes.random_scene(grammar, rng, test=True)
        if len(scene.things) == 1 and scene.things[0].say_colour:
            found.append((scenes.caption(scene, rng), scene))
    return found


def read_png(path):
    surface = cairo.ImageSurface.create_from_png(path)
    w, h = surface.get_width(), surface.get_height()
    return np.ndarray((h, surface.get_stride() // 4, 4), np.uint8, surface.get_data())[:, :w, 2::-1].copy()


def sample_with_easel(args, prompts):
    folder = os.path.join(args.out, "easel")
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(os.path.join(folder, "*.png")):
        os.remove(old)
    listing = os.path.join(args.out, "prompts.txt")
    with open(listing, "w") as f:
        f.write("\n".join(prompts) + "\n")
    command = [args.easel, "txt2img", "--model", args.model, "--from-file", listing, "--outdir", folder, "--skip_grid",
               "--batch-count", "1", "--batch-size", "1", "--seed", str(args.seed)]
    for option, value in (("--steps", args.steps), ("--cfg-scale", args.scale), ("--sampler", args.sampler)):
        if value is not None:
            command += [option, str(value)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    files = sorted(glob.glob(os.path.join(folder, "**", "*.png"), recursive=True))
    if len(files) != len(prompts):
        raise SystemExit(f"{len(files)} images for {len(prompts)} prompts in {folder}")
    return [read_png(path) for path in files]


def sample_with_torch(args, prompts, networks):
    metadata = networks.metadata
    sampler = SAMPLERS[args.sampler or metadata["easel.sampler"]]
    return networks.sample(prompts, args.seed, sampler, args.steps or int(metadata["easel.steps"]),
                           args.scale or float(metadata["easel.cfg_scale"]), bf16=args.bf16)


def judge(classifier, images, tests, grammar):
    """-> share right per attribute, what was asked and seen for every prompt"""
    with torch.no_grad():
        parts = [classifier(to_tensor(images[i : i + 50])) for i in range(0, len(images), 50)]
    seen = torch.stack([torch.cat([p[k] for p in parts]).argmax(-1) for k in range(len(JUDGED))], 1)
    asked = torch.tensor([scenes.labels(scene, grammar)[: len(JUDGED)] for _, scene in tests])
    right = seen == asked
    shares = {name: float(right[:, k].float().mean()) for k, name in enumerate(JUDGED)}
    shares["kind and colour"] = float((right[:, 0] & right[:, 1]).float().mean())
    shares["kind, colour, place and time"] = float(right[:, :4].all(1).float().mean())
    return shares, right


def vae_psnr(networks, grammar, count=64):
    rng = random.Random("evaluate vae")
    images = [drawing.render(scenes.random_scene(grammar, rng, test=True)) for _ in range(count)]
    values = []
    for i in range(0, count, 8):
        for a, b in zip(images[i : i + 8], networks.reconstruct(images[i : i + 8])):
            values.append(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))
    return float(np.mean(values))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--easel", default="build/easel", help="the program that draws the samples")
    parser.add_argument("--sampler-backend", choices=("easel", "torch"), default="easel")
    parser.add_argument("--out", required=True, help="folder for samples, classifier and report.json")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="cpu")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, help="default: metadata of the model")
    parser.add_argument("--scale", type=float)
    parser.add_argument("--sampler")
    parser.add_argument("--bf16", action="store_true", help="torch backend: sample in bfloat16, faster where native")
    parser.add_argument("--skip-vae", action="store_true")
    return parser.parse_args()


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    preset = PRESETS[args.preset]
    grammar = scenes.GRAMMARS[preset.grammar]
    classifier = trained_classifier(grammar, os.path.join(args.out, "classifier.pt"))
    report = {"backend": args.sampler_backend, "prompts": args.prompts, "seed": args.seed, "steps": args.steps,
              "scale": args.scale, "sampler": args.sampler}
    report["classifier on drawings"] = accuracy(classifier, grammar, random.Random("evaluate classifier"))
    networks = Networks(args.model, preset) if args.sampler_backend == "torch" or not args.skip_vae else None
    tests = test_prompts(grammar, args.prompts)
    prompts = [prompt for prompt, _ in tests]
    images = sample_with_easel(args, prompts) if args.sampler_backend == "easel" else sample_with_torch(args, prompts, networks)
    report["samples"], right = judge(classifier, images, tests, grammar)
    if not args.skip_vae:
        report["vae psnr dB"] = vae_psnr(networks, grammar)
    drawing.save_grid(images[:64], os.path.join(args.out, "samples.png"), 8)
    with open(os.path.join(args.out, "samples.txt"), "w") as f:
        for (prompt, _), row in zip(tests, right):
            wrong = [name for name, ok in zip(JUDGED, row.tolist()) if not ok]
            f.write(f"{prompt}\t{'wrong: ' + ' '.join(wrong) if wrong else 'right'}\n")
    with open(os.path.join(args.out, "report.json"), "w") as f:
        json.dump(report, f, indent=1)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
