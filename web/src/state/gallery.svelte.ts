// The images on the server, newest first, as far as they have been looked at.
import { api, ApiError } from '../api/client';
import type { StoredImage } from '../api/types';

const PAGE = 60;

class Gallery {
  images = $state<StoredImage[]>([]);
  isLoaded = $state(false);
  isLoading = $state(false);
  openId = $state<number | null>(null); // shown in full size
  #next = $state<number | null>(null);

  get hasMore(): boolean {
    return this.#next !== null;
  }

  // The newest page; what was known below it stays.
  async refresh(): Promise<void> {
    const page = await api.images(null, PAGE);
    const oldest = page.entries.at(-1)?.id ?? 0;
    const below = this.isLoaded && page.next !== null ? this.images.filter((image) => image.id < oldest) : [];
    this.images = [...page.entries, ...below];
    if (below.length === 0) this.#next = page.next;
    this.isLoaded = true;
  }

  async loadMore(): Promise<void> {
    if (this.isLoading || this.#next === null) return;
    this.isLoading = true;
    try {
      const page = await api.images(this.#next, PAGE);
      this.images = [...this.images, ...page.entries];
      this.#next = page.next;
    } finally {
      this.isLoading = false;
    }
  }

  async remove(image: StoredImage): Promise<void> {
    try {
      await api.removeImage(image.id);
    } catch (fault) {
      if (!(fault instanceof ApiError) || fault.status !== 404) throw fault; // gone is gone
    }
    const at = this.images.findIndex((other) => other.id === image.id);
    const neighbour = this.images[at + 1] ?? this.images[at - 1] ?? null;
    this.images = this.images.filter((other) => other.id !== image.id);
    if (this.openId === image.id) this.openId = neighbour?.id ?? null;
  }
}

export const gallery = new Gallery();
