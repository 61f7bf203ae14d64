"""Group norm and attention: native CPU kernels (native.c) where a C compiler is at hand, plain PyTorch elsewhere."""
import ctypes
import functools
import os
import subprocess
import tempfile

import torch
import torch.nn.functional as F

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "native.c")


@functools.lru_cache(maxsize=None)
def native(dtype):
    """The kernels for this element type, compiled for this machine, or None."""
    if os.environ.get("STARTER_NATIVE") == "0" or dtype not in (torch.float32, torch.bfloat16):
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "native.so")
        flags = ["-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512", "-fPIC", "-shared"]
        if dtype == torch.bfloat16:
            flags.append("-DBF16")
        try:
            subprocess.run(["cc", *flags, SOURCE, "-o", library, "-lm"], check=True, capture_output=True)
            return ctypes.CDLL(library)
        except (OSError, subprocess.CalledProcessError):
            return None


def cpu_has_bf16():
    """Whether oneDNN has fast bfloat16 kernels here (otherwise bf16 is emulated and slow)."""
    try:
        with open("/proc/cpuinfo") as f:
            flags = next((line for line in f if line.startswith("flags")), "")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _pointer(t):
    return ctypes.c_void_p(t.data_ptr())


def _ints(*values):
    return [ctypes.c_int64(v) for v in values]


class _NativeGroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, groups, epsilon, silu):
        x = x.contiguous(memory_format=torch.channels_last)
        n, c, h, w = x.shape
        y = torch.empty_like(x)
        statistics = torch.empty(n, groups, 2)
        native(x.dtype).group_norm_forward(_pointer(x), _pointer(gamma), _pointer(beta), _pointer(y), _pointer(statistics),
                                           *_ints(n, h * w, c, groups), ctypes.c_float(epsilon), ctypes.c_int(silu))
        ctx.save_for_backward(x, gamma, beta, statistics)
        ctx.silu, ctx.groups = silu, groups
        return y

    @staticmethod
    def backward(ctx, dy):
        x, gamma, beta, statistics = ctx.saved_tensors
        n, c, h, w = x.shape
        dy = dy.to(x.dtype).contiguous(memory_format=torch.channels_last)
        dx, dgamma, dbeta = torch.empty_like(x), torch.empty_like(gamma), torch.empty_like(beta)
        native(x.dtype).group_norm_backward(_pointer(x), _pointer(gamma), _pointer(beta), _pointer(statistics),
                                            _pointer(dy), _pointer(dx), _pointer(dgamma), _pointer(dbeta),
                                            *_ints(n, h * w, c, ctx.groups), ctypes.c_int(ctx.silu))
        return dx, dgamma, dbeta, None, None, None


class _NativeAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, heads, causal):
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        out = torch.empty_like(q)
        ctx.sizes = (q.shape[0], q.shape[1], k.shape[1], heads, q.shape[2] // heads)
        ctx.scale, ctx.causal = (q.shape[2] // heads) ** -0.5, causal
        native(q.dtype).attention_forward(_pointer(q), _pointer(k), _pointer(v), _pointer(out), *_ints(*ctx.sizes),
                                          ctypes.c_float(ctx.scale), ctypes.c_int(causal))
        ctx.save_for_backward(q, k, v)
        return out

    @staticmethod
    def backward(ctx, dout):
        q, k, v = ctx.saved_tensors
        dout = dout.to(q.dtype).contiguous()
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        native(q.dtype).attention_backward(_pointer(q), _pointer(k), _pointer(v), _pointer(dout), _pointer(dq),
                                           _pointer(dk), _pointer(dv), *_ints(*ctx.sizes), ctypes.c_float(ctx.scale),
                                           ctypes.c_int(ctx.causal))
        return dq, dk, dv, None, None


class _NativeGeglu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        y = torch.empty(*x.shape[:-1], x.shape[-1] // 2, dtype=x.dtype)
        native(x.dtype).geglu_forward(_pointer(x), _pointer(y), *_ints(y.numel() // y.shape[-1], y.shape[-1]))
        ctx.save_for_backward(x)
        return y

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        dy, dx = dy.to(x.dtype).contiguous(), torch.empty_like(x)
        native(x.dtype).geglu_backward(_pointer(x), _pointer(dy), _pointer(dx), *_ints(dy.numel() // dy.shape[-1], dy.shape[-1]))
        return dx


def geglu(x):
    """x [..., 2 d] = value, gate -> value * gelu(gate) [..., d]"""
    if x.device.type == "cpu" and native(x.dtype) is not None:
        return _NativeGeglu.apply(x)
    value, gate = x.chunk(2, -1)
    return value * F.gelu(gate)


def group_norm(x, norm, silu):
    """x [n, c, h, w] -> same shape; `norm` is an nn.GroupNorm, followed by SiLU if asked for."""
    if x.device.type == "cpu" and native(x.dtype) is not None:
        return _NativeGroupNorm.apply(x, norm.weight, norm.bias, norm.num_groups, norm.eps, int(silu))
    y = F.group_norm(x.float(), norm.num_groups, norm.weight, norm.bias, norm.eps)
    return (F.silu(y) if silu else y).to(x.dtype)


def layer_norm(x, norm):
    """x [..., d]; statistics in float32 whatever the type of x."""
    return F.layer_norm(x.float(), norm.normalized_shape, norm.weight, norm.bias, norm.eps).to(x.dtype)


def attention(q, k, v, heads, causal=False):
    """q [n, t_q, d], k and v [n, t_k, d] -> [n, t_q, d], split into heads."""
    if q.device.type == "cpu" and native(q.dtype) is not None:
        return _NativeAttention.apply(q, k, v, heads, int(causal))
    n, t_q, d = q.shape

    def split(x):
        return x.reshape(n, x.shape[1], heads, d // heads).transpose(1, 2)

    scores = split(q) @ split(k).transpose(2, 3) * (d // heads) ** -0.5
    if causal:
        mask = torch.ones(t_q, k.shape[1], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(mask, float("-inf"))
    out = scores.float().softmax(-1).to(v.dtype) @ split(v)
    return out.transpose(1, 2).reshape(n, t_q, d)
