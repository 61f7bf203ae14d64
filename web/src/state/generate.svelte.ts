// What the button does: looks at what is missing, builds the request and puts it into the queue.
import { ApiError } from '../api/client';
import type { Job, JobRequest } from '../api/types';
import { toBase64, toPng } from '../lib/files';
import { buildRequest } from '../lib/request';
import { catalogue } from './catalogue.svelte';
import { form } from './form.svelte';
import { drawMask, mask } from './mask.svelte';
import { queue } from './queue.svelte';
import { source } from './source.svelte';

class Generate {
  isSending = $state(false);
  error = $state('');
  job = $state<number | null>(null); // the one last sent from here

  missing(): string {
    const { mode, margins } = form.settings;
    if (mode === 'text') return '';
    if (!source.file) return 'Choose an image first: drop it here, paste it, or pick a file.';
    const grows = Object.values(margins).some((margin) => margin !== null && margin > 0);
    if (mode === 'inpaint' && mask.isEmpty && !grows) {
      return 'Paint over the part to draw anew, or set margins by which the image grows.';
    }
    return '';
  }

  async build(): Promise<JobRequest> {
    const { settings } = form;
    const hasMask = settings.mode === 'inpaint' && !mask.isEmpty;
    return buildRequest(settings, {
      image: source.file ? await toBase64(source.file) : null,
      mask: hasMask ? await toBase64(await toPng(drawMask(mask.strokes, source.width, source.height))) : null,
      depthMap: settings.mode === 'depth' && source.depthMap ? await toBase64(source.depthMap) : null,
      upscaler: catalogue.upscalers.find((upscaler) => upscaler.name === settings.upscaler),
    });
  }

  // The job; null where something is missing or refused, which `error` then says.
  async run(change: JobRequest = {}): Promise<Job | null> {
    this.error = this.missing();
    if (this.error || this.isSending) return null;
    this.isSending = true;
    try {
      const job = await queue.submit({ ...(await this.build()), ...change });
      this.job = job.id;
      return job;
    } catch (fault) {
      this.error = messageOf(fault);
      return null;
    } finally {
      this.isSending = false;
    }
  }
}

export function messageOf(fault: unknown): string {
  if (fault instanceof ApiError && fault.status === 429) {
    const wait = fault.retryAfterSeconds ? ` Try again in ${fault.retryAfterSeconds} s.` : '';
    return `The queue is full.${wait} Or cancel a job that waits.`;
  }
  if (fault instanceof ApiError && fault.status === 401) return 'The server wants you to log in first.';
  return fault instanceof Error ? fault.message : String(fault);
}

export const generate = new Generate();
