// What /api/v1 sends and takes; server/api/openapi.json is the contract.

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted';
export type Task = 'txt2img' | 'img2img' | 'inpaint' | 'depth2img' | 'upscale';

export interface JobRequest {
  task?: Task;
  model?: string;
  prompt?: string;
  negative_prompt?: string;
  width?: number;
  height?: number;
  steps?: number;
  cfg_scale?: number;
  sampler?: string;
  schedule?: string;
  eta?: number;
  seed?: number;
  rng?: string;
  clip_skip?: number;
  variation_seed?: number;
  variation_strength?: number;
  batch_size?: number;
  batch_count?: number;
  tiling?: boolean;
  watermark?: boolean;
  init_image?: string;
  resize_mode?: string;
  strength?: number;
  mask?: string;
  invert_mask?: boolean;
  mask_blur?: number;
  mask_fill?: string;
  only_masked?: boolean;
  mask_padding?: number;
  margin_left?: number;
  margin_top?: number;
  margin_right?: number;
  margin_bottom?: number;
  depth_map?: string;
  hires_scale?: number;
  hires_upscaler?: string;
  hires_strength?: number;
  upscaler?: string;
  factor?: number;
  noise_level?: number;
}

export interface Progress {
  stage: string;
  step: number;
  steps: number;
  batch: number;
  batches: number;
  tile?: number;
  tiles?: number;
  fraction: number;
  seconds_left: number | null;
  preview: string | null;
}

export interface StoredImage {
  id: number;
  job: number;
  number: number;
  url: string;
  seed: number;
  prompt: string;
  parameters: string;
  width: number;
  height: number;
  watermark: boolean;
  created: string;
}

export interface Job {
  id: number;
  state: JobState;
  origin: string;
  model: string;
  request: JobRequest;
  inputs: Record<string, string>;
  settings: JobRequest | null;
  created: string;
  started: string | null;
  ended: string | null;
  device: string | null; // that draws it or drew it
  position: number | null;
  progress: Progress | null;
  images: StoredImage[];
  warnings: string[];
  error: { code: string; message: string } | null;
}

export interface Model {
  name: string;
  file: string;
  bytes: number;
  default: boolean;
  tasks: Task[];
  loaded: boolean;
  family?: string;
}

export interface Upscaler {
  name: string;
  kind: 'lanczos' | 'network' | 'diffusion';
  scale: number | null; // the largest factor; null: up to 16
}

export interface Choice {
  name: string;
  aliases: string[];
  description: string;
}

export interface PromptLength {
  tokens: number;
  limit: number;
}

export interface ImageInfo {
  format: string;
  width: number;
  height: number;
  parameters: string | null;
}

export interface Page<T> {
  entries: T[];
  next: number | null;
}

export function hasEnded(job: Job): boolean {
  return job.state !== 'queued' && job.state !== 'running';
}
