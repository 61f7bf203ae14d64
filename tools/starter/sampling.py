"""SD 1.x noise schedule and two samplers in plain PyTorch, for previews while training and for tests without easel."""
import numpy as np
import torch

STEPS = 1000
BETAS = np.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=np.float64) ** 2
ALPHAS_CUMPROD = np.cumprod(1 - BETAS)


def guided_noise(unet, x, timestep, conditional, unconditional, scale):
    """Classifier-free guidance; conditional and unconditional [n, t, d]"""
    n = len(x)
    t = torch.full((2 * n,), float(timestep), device=x.device)
    both = unet(torch.cat([x, x]), t, torch.cat([unconditional, conditional]))
    return both[:n] + scale * (both[n:] - both[:n])


def ddim(unet, noise, conditional, unconditional, steps=20, scale=4.0):
    """Song et al. 2021, eta 0, evenly spaced timesteps."""
    x = noise
    times = (np.arange(0, STEPS, STEPS // steps) + 1)[::-1]
    for i, t in enumerate(times):
        alpha = ALPHAS_CUMPROD[t]
        alpha_next = ALPHAS_CUMPROD[times[i + 1]] if i + 1 < len(times) else ALPHAS_CUMPROD[0]
        epsilon = guided_noise(unet, x, t, conditional, unconditional, scale)
        denoised = (x - (1 - alpha) ** 0.5 * epsilon) / alpha**0.5
        x = alpha_next**0.5 * denoised + (1 - alpha_next) ** 0.5 * epsilon
    return x


def karras_sigmas(steps, rho=7.0):
    """Karras et al. 2022, equation 5, over the trained range, then 0."""
    sigmas = ((1 - ALPHAS_CUMPROD) / ALPHAS_CUMPROD) ** 0.5
    low, high = sigmas[0] ** (1 / rho), sigmas[-1] ** (1 / rho)
    ramp = np.linspace(0, 1, steps)
    return np.append((high + ramp * (low - high)) ** rho, 0.0)


def dpmpp_2m(unet, noise, conditional, unconditional, steps=20, scale=4.0):
    """Lu et al. 2022, DPM-Solver++(2M), on Karras' sigmas."""
    all_log = np.log(((1 - ALPHAS_CUMPROD) / ALPHAS_CUMPROD) ** 0.5)
    sigmas = karras_sigmas(steps)
    x, previous = noise * sigmas[0], None
    for i in range(steps):
        s, s_next = sigmas[i], sigmas[i + 1]
        t = np.interp(np.log(s), all_log, np.arange(STEPS))
        epsilon = guided_noise(unet, x / (s**2 + 1) ** 0.5, t, conditional, unconditional, scale)
        denoised = x - s * epsilon
        if previous is None or s_next == 0:
            estimate = denoised
        else:
            r = np.log(sigmas[i - 1] / s) / np.log(s / s_next)
            estimate = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * previous
        x = s_next / s * x + (1 - s_next / s) * estimate
        previous = denoised
    return x


SAMPLERS = {"ddim": ddim, "dpmpp_2m": dpmpp_2m}
