#!/usr/bin/env python3
"""The UNet of SD 1 on PyTorch 2 on a card, as its users make it fast: f16, channels last, fused attention,
torch.compile with CUDA graphs, cuDNN trying its algorithms out. Writes JSON to standard output.

torch_unet.py [--device cuda] [--size 512] [--rows 2 16] [--mode max-autotune|reduce-overhead|default|none]
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "starter"))
import models  # noqa: E402
import ops  # noqa: E402


def use_fused_operations():
    """PyTorch's own, in the type of the activations, instead of those that the training of small models uses."""

    def attention(q, k, v, heads, causal=False):
        n, t, d = q.shape
        q, k, v = (x.reshape(n, x.shape[1], heads, d // heads).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).reshape(n, t, d)

    def group_norm(x, norm, silu):
        y = F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
        return F.silu(y) if silu else y

    def layer_norm(x, norm):
        return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)

    def geglu(x):
        value, gate = x.chunk(2, -1)
        return value * F.gelu(gate)

    ops.attention, ops.group_norm, ops.layer_norm, ops.geglu = attention, group_norm, layer_norm, geglu


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(body, device, calls=10):
    """Of one call, of `calls` in a row: the median of five such rows."""
    seconds = []
    for _ in range(5):
        wait(device)
        start = time.perf_counter()
        for _ in range(calls):
            body()
        wait(device)
        seconds.append((time.perf_counter() - start) / calls)
    return statistics.median(seconds)


class UnetInType(models.Unet):
    def forward(self, x, sinusoids, context):
        return self.predict(x, sinusoids, context)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rows", type=int, nargs="+", default=[2, 16])
    parser.add_argument("--mode", default="max-autotune")
    parser.add_argument("--width", type=int, default=320, help="channels of the finest level; 320 is SD 1")
    arguments = parser.parse_args()

    torch.backends.cudnn.benchmark = True
    use_fused_operations()
    device = arguments.device
    kind = torch.float16 if device == "cuda" else torch.float32
    torch.manual_seed(1)
    config = models.UnetConfig(channels=arguments.width, multipliers=(1, 2, 4, 4), res_blocks=2,
                               attention_downs=(1, 2, 4), heads=8, context=768)
    network = UnetInType(config).to(device, kind).to(memory_format=torch.channels_last).eval()
    if arguments.mode != "none":
        mode = None if arguments.mode == "default" else arguments.mode
        network = torch.compile(network, mode=mode, fullgraph=True)
    out = {"torch": torch.__version__, "mode": arguments.mode, "size_px": arguments.size, "steps": []}
    if device == "cuda":
        out["device"] = torch.cuda.get_device_name()
        out["cudnn"] = torch.backends.cudnn.version()
    with torch.inference_mode():
        for rows in arguments.rows:
            side = arguments.size // 8
            x = torch.randn(rows, 4, side, side, device=device, dtype=kind).to(memory_format=torch.channels_last)
            context = torch.randn(rows, 77, 768, device=device, dtype=kind)
            timesteps = torch.full((rows,), 500.0, device=device)
            sinusoids = models.timestep_embedding(timesteps, config.channels).to(kind)
            start = time.perf_counter()
            for _ in range(4):
                network(x, sinusoids, context)
            wait(device)
            warm_up = time.perf_counter() - start
            step = seconds_of(lambda: network(x, sinusoids, context), device)
            out["steps"].append({"rows": rows, "warm_up_seconds": warm_up, "step_milliseconds": step * 1e3})
    print(json.dumps(out, indent=2))


if __name__ == "__main__":
    main()
