// The image that a job starts from.
import { api } from '../api/client';
import type { StoredImage } from '../api/types';
import { fileName } from '../lib/text';
import { form, type Mode } from './form.svelte';
import { mask } from './mask.svelte';
import { route } from './route.svelte';

const LARGEST_BYTES = 40_000_000; // in base64 it has to fit into a request of 64 MB

class Source {
  file = $state.raw<Blob | null>(null);
  depthMap = $state.raw<Blob | null>(null); // of depth2img; null: it is estimated
  name = $state('');
  url = $state('');
  width = $state(0);
  height = $state(0);

  async use(file: Blob, name: string): Promise<void> {
    if (file.size > LARGEST_BYTES) throw new Error(`${name} is larger than 40 MB; make it smaller first.`);
    const url = URL.createObjectURL(file);
    try {
      const image = new Image();
      image.src = url;
      await image.decode();
      this.clear();
      [this.width, this.height] = [image.naturalWidth, image.naturalHeight];
    } catch {
      URL.revokeObjectURL(url);
      throw new Error(`${name} is not an image that can be read here; use PNG, JPEG or WebP.`);
    }
    [this.file, this.name, this.url] = [file, name, url];
  }

  clear(): void {
    if (this.url) URL.revokeObjectURL(this.url);
    [this.file, this.name, this.url] = [null, '', ''];
    mask.forget();
  }

  async send(image: StoredImage, mode: Mode): Promise<void> {
    await this.use(await api.file(image.url), fileName(image));
    form.settings.mode = mode;
    if (mode !== 'upscale') form.settings.prompt ||= image.prompt;
    route.go('create');
  }
}

export const source = new Source();
