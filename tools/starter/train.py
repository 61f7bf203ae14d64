#!/usr/bin/env python3
"""Trains easel's starter model from nothing: draws scenes, trains the autoencoder, encodes, trains text encoder and UNet,
exports one SD 1.x checkpoint. May be stopped at any moment; the same command goes on from the last checkpoint in --out.

    python3 tools/starter/train.py --device cpu --minutes 120 --out runs/starter
"""
import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if "OPENBLAS_CORETYPE" not in os.environ and os.path.exists("/proc/cpuinfo") and "avx512" in open("/proc/cpuinfo").read():
    os.environ["OPENBLAS_CORETYPE"] = "SKYLAKEX"  # older OpenBLAS takes a slow kernel on processors it does not know

from dataclasses import replace  # noqa: E402

import export  # noqa: E402
import resume  # noqa: E402
import run as training  # noqa: E402
import stage_diffusion  # noqa: E402
import stage_vae  # noqa: E402
from presets import PRESETS  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--minutes", type=float, default=120, help="training time of all stages together")
    parser.add_argument("--out", required=True, help="folder of this training; goes on with what it holds")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="default: the name of the device")
    parser.add_argument("--from", dest="start_from", metavar="FILE", help="go on from this exported checkpoint")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, help="processes (cpu: 2, cuda: 1)")
    parser.add_argument("--stage", choices=("vae", "all"), default="all", help="vae: stop after the autoencoder")
    parser.add_argument("--scenes", type=int, help="train UNet and text on this many scenes only (8: overfitting test)")
    parser.add_argument("--vae-steps", type=int, help="exact number of steps instead of a share of the time")
    parser.add_argument("--steps", type=int, help="the same for UNet and text encoder")
    return parser.parse_args()


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    training.set_up_threads(args.device)
    preset = PRESETS[args.preset or args.device]
    if args.scenes:
        preset = replace(preset, cached_scenes=args.scenes)
    workers = args.workers or (min(2, os.cpu_count() or 1) if args.device == "cpu" else 1)
    if args.start_from:
        resume.unpack(args.start_from, args.out, preset)
    run = training.Run(args.out, preset, args.device, workers, args.seed, args.minutes)
    run.log(f"start: {args.device}, {workers} workers, {'bf16' if run.bf16 else 'f32'}, {args.minutes} minutes, seed {args.seed}")
    seconds = args.minutes * 60
    vae = stage_vae.prepare(run, seconds * preset.share_vae, args.vae_steps)
    if args.stage == "vae":
        return
    stage_diffusion.train(run, vae, seconds * (1 - preset.share_vae), args.steps)
    export.export(run.out, run.path("starter.safetensors"), preset)


if __name__ == "__main__":
    main()
