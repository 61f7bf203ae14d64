// From what is set to what is sent.
import type { JobRequest, Task, Upscaler } from '../api/types';
import type { Mode, Settings } from '../state/form.svelte';

export const TASK_OF_MODE: Record<Mode, Task> = {
  text: 'txt2img',
  image: 'img2img',
  inpaint: 'inpaint',
  depth: 'depth2img',
  upscale: 'upscale',
};

type Open<T> = { [K in keyof T]?: T[K] | null | undefined };

// What is left open is left out.
function closed(fields: Open<JobRequest>): JobRequest {
  const entries = Object.entries(fields).filter(
    ([, value]) => value !== null && value !== undefined && value !== '',
  );
  return Object.fromEntries(entries) as JobRequest;
}

function sampling(s: Settings): Open<JobRequest> {
  return {
    steps: s.steps,
    cfg_scale: s.guidance,
    sampler: s.sampler,
    schedule: s.schedule,
    eta: s.eta,
    seed: s.seed,
    rng: s.rng,
  };
}

function drawing(s: Settings): Open<JobRequest> {
  const varies = s.variationStrength !== null && s.variationStrength > 0;
  return {
    ...sampling(s),
    model: s.model,
    prompt: s.prompt,
    negative_prompt: s.negative,
    width: s.width,
    height: s.height,
    clip_skip: s.clipSkip,
    variation_strength: varies ? s.variationStrength : null,
    variation_seed: varies ? s.variationSeed : null,
    batch_count: s.batchCount,
    batch_size: s.batchSize,
    tiling: s.tiling || null,
    watermark: s.watermark,
  };
}

function secondPass(s: Settings): Open<JobRequest> {
  if (s.hiresScale === null || s.hiresScale <= 1) return {};
  return { hires_scale: s.hiresScale, hires_upscaler: s.hiresUpscaler, hires_strength: s.hiresStrength };
}

function start(s: Settings, image: string): Open<JobRequest> {
  return { init_image: image, strength: s.strength, resize_mode: s.resizeMode };
}

function inpainting(s: Settings, mask: string | null): Open<JobRequest> {
  return {
    mask,
    invert_mask: (mask !== null && s.invertMask) || null,
    mask_blur: s.maskBlur,
    mask_fill: s.maskFill,
    only_masked: s.onlyMasked || null,
    mask_padding: s.onlyMasked ? s.maskPadding : null,
    resize_mode: s.onlyMasked ? null : s.resizeMode,
    margin_left: s.margins.left,
    margin_top: s.margins.top,
    margin_right: s.margins.right,
    margin_bottom: s.margins.bottom,
  };
}

function upscaling(s: Settings, image: string, upscaler: Upscaler | undefined): JobRequest {
  const common = { task: 'upscale' as const, init_image: image, upscaler: s.upscaler, factor: s.factor };
  if (upscaler?.kind !== 'diffusion') return closed(common);
  return closed({
    ...common,
    ...sampling(s),
    prompt: s.prompt,
    negative_prompt: s.negative,
    noise_level: s.noiseLevel,
    watermark: s.watermark,
  });
}

export interface Inputs {
  image: string | null; // base64
  mask: string | null;
  depthMap: string | null;
  upscaler: Upscaler | undefined;
}

export function buildRequest(s: Settings, inputs: Inputs): JobRequest {
  const image = inputs.image ?? '';
  const task = TASK_OF_MODE[s.mode];
  switch (s.mode) {
    case 'text':
      return closed({ task, ...drawing(s), ...secondPass(s) });
    case 'image':
      return closed({ task, ...drawing(s), ...start(s, image) });
    case 'depth':
      return closed({ task, ...drawing(s), ...start(s, image), depth_map: inputs.depthMap });
    case 'inpaint':
      return closed({ task, ...drawing(s), ...start(s, image), ...inpainting(s, inputs.mask) });
    case 'upscale':
      return upscaling(s, image, inputs.upscaler);
  }
}
