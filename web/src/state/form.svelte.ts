// Everything a person can set; kept from visit to visit.
import type { Job, JobRequest, StoredImage } from '../api/types';
import { load, save } from './storage';

export const MODES = ['text', 'image', 'inpaint', 'depth', 'upscale'] as const;
export type Mode = (typeof MODES)[number];

export const MODE_NAMES: Record<Mode, string> = {
  text: 'Text',
  image: 'Image',
  inpaint: 'Inpaint',
  depth: 'Depth',
  upscale: 'Upscale',
};

export interface Margins {
  left: number | null;
  top: number | null;
  right: number | null;
  bottom: number | null;
}

// null and '' leave it to the model.
export interface Settings {
  mode: Mode;
  model: string;
  prompt: string;
  negative: string;
  width: number | null;
  height: number | null;
  steps: number | null;
  guidance: number | null;
  sampler: string;
  schedule: string;
  eta: number | null;
  seed: number | null;
  rng: string;
  clipSkip: number | null;
  variationStrength: number | null;
  variationSeed: number | null;
  batchCount: number | null;
  batchSize: number | null;
  tiling: boolean;
  watermark: boolean;
  hiresScale: number | null;
  hiresUpscaler: string;
  hiresStrength: number | null;
  strength: number | null;
  resizeMode: string;
  invertMask: boolean;
  maskBlur: number | null;
  maskFill: string;
  onlyMasked: boolean;
  maskPadding: number | null;
  margins: Margins;
  upscaler: string;
  factor: number | null;
  noiseLevel: number | null;
}

export const BLANK: Settings = {
  mode: 'text',
  model: '',
  prompt: '',
  negative: '',
  width: null,
  height: null,
  steps: null,
  guidance: null,
  sampler: '',
  schedule: '',
  eta: null,
  seed: null,
  rng: '',
  clipSkip: null,
  variationStrength: null,
  variationSeed: null,
  batchCount: 1,
  batchSize: 1,
  tiling: false,
  watermark: true,
  hiresScale: null,
  hiresUpscaler: '',
  hiresStrength: null,
  strength: null,
  resizeMode: '',
  invertMask: false,
  maskBlur: null,
  maskFill: '',
  onlyMasked: false,
  maskPadding: null,
  margins: { left: null, top: null, right: null, bottom: null },
  upscaler: 'lanczos',
  factor: 2,
  noiseLevel: null,
};

const MODE_OF_TASK: Record<string, Mode> = {
  txt2img: 'text',
  img2img: 'image',
  inpaint: 'inpaint',
  depth2img: 'depth',
  upscale: 'upscale',
};

function fresh(): Settings {
  return { ...BLANK, margins: { ...BLANK.margins } };
}

class Form {
  settings = $state<Settings>({ ...fresh(), ...load<Partial<Settings>>('settings', {}) });

  keep(): void {
    save('settings', this.settings);
  }

  // All but what to draw and with which model.
  reset(): void {
    const { mode, model, prompt, negative } = this.settings;
    this.settings = { ...fresh(), mode, model, prompt, negative };
  }

  // As `image` of `job` was made.
  reuse(job: Job, image: StoredImage | undefined, models: { name: string; file: string }[]): void {
    const used: JobRequest = { ...job.request, ...job.settings };
    this.settings = {
      ...fresh(),
      mode: MODE_OF_TASK[used.task ?? 'txt2img'] ?? 'text',
      model: models.find((model) => model.file === job.model)?.name ?? '',
      prompt: image?.prompt ?? used.prompt ?? '',
      negative: used.negative_prompt ?? '',
      width: used.width ?? null,
      height: used.height ?? null,
      steps: used.steps ?? null,
      guidance: used.cfg_scale ?? null,
      sampler: used.sampler ?? '',
      schedule: used.schedule ?? '',
      eta: used.eta ?? null,
      seed: image?.seed ?? used.seed ?? null,
      rng: used.rng && used.rng !== 'cpu' ? used.rng : '',
      clipSkip: used.clip_skip ?? null,
      variationStrength: used.variation_strength ?? null,
      variationSeed: used.variation_seed ?? null,
      tiling: used.tiling ?? false,
      watermark: used.watermark ?? true,
      hiresScale: used.hires_scale ?? null,
      hiresUpscaler: used.hires_upscaler && used.hires_upscaler !== 'latent' ? used.hires_upscaler : '',
      hiresStrength: used.hires_strength ?? null,
      strength: used.strength ?? null,
      resizeMode: used.resize_mode ?? '',
      invertMask: used.invert_mask ?? false,
      maskBlur: used.mask_blur ?? null,
      maskFill: used.mask_fill ?? '',
      onlyMasked: used.only_masked ?? false,
      maskPadding: used.mask_padding ?? null,
      margins: {
        left: used.margin_left || null,
        top: used.margin_top || null,
        right: used.margin_right || null,
        bottom: used.margin_bottom || null,
      },
      upscaler: used.upscaler ?? BLANK.upscaler,
      factor: used.factor ?? BLANK.factor,
      noiseLevel: used.noise_level ?? null,
    };
  }
}

export const form = new Form();
