// The one place that speaks HTTP.
import type {
  Choice,
  ImageInfo,
  Job,
  JobRequest,
  Model,
  Page,
  PromptLength,
  StoredImage,
  Upscaler,
} from './types';

const ROOT = '/api/v1';

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: the server did not answer
    readonly code: string,
    message: string,
    readonly field: string | null = null,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(message);
  }
}

interface Hooks {
  authorization: () => string | null;
  onAnswer: () => void;
  onSilence: () => void;
  onUnauthorized: () => void;
}

let hooks: Hooks = {
  authorization: () => null,
  onAnswer: () => {},
  onSilence: () => {},
  onUnauthorized: () => {},
};

export function connect(to: Hooks): void {
  hooks = to;
}

// Credentials are the page's own business: with 'omit' the browser does not put up its own dialog.
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const authorization = hooks.authorization();
  if (authorization) headers.set('Authorization', authorization);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, credentials: 'omit' });
  } catch (fault) {
    if (init.signal?.aborted) throw fault;
    hooks.onSilence();
    throw new ApiError(0, 'away', 'The server does not answer. Is it still running?');
  }
  hooks.onAnswer();
  if (response.ok) return response;
  if (response.status === 401) hooks.onUnauthorized();
  throw await errorOf(response);
}

async function errorOf(response: Response): Promise<ApiError> {
  const retryAfter = Number(response.headers.get('Retry-After')) || null;
  let text = '';
  try {
    text = await response.text();
    const { error } = JSON.parse(text) as { error: { code: string; message: string; field?: string } };
    return new ApiError(response.status, error.code, error.message, error.field ?? null, retryAfter);
  } catch {
    const message = text || response.statusText || 'no reason given';
    return new ApiError(response.status, 'unknown', `The server answered ${response.status}: ${message}`);
  }
}

async function get<T>(path: string): Promise<T> {
  return (await (await request(ROOT + path)).json()) as T;
}

async function post<T>(path: string, body: object): Promise<T> {
  const headers = { 'Content-Type': 'application/json' };
  const response = await request(ROOT + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as T;
}

function page(before: number | null, limit: number): string {
  return `?limit=${limit}${before === null ? '' : `&before=${before}`}`;
}

export const api = {
  submit: (job: JobRequest) => post<Job>('/jobs', job),
  job: (id: number) => get<Job>(`/jobs/${id}`),
  queue: async () => (await get<{ jobs: Job[] }>('/queue')).jobs,
  models: async () => (await get<{ models: Model[] }>('/models')).models,
  samplers: async () => (await get<{ samplers: Choice[] }>('/samplers')).samplers,
  schedules: async () => (await get<{ schedules: Choice[] }>('/schedules')).schedules,
  upscalers: async () => (await get<{ upscalers: Upscaler[] }>('/upscalers')).upscalers,
  measure: (prompt: string) => post<PromptLength>('/tokens', { prompt }),
  image: (id: number) => get<StoredImage>(`/images/${id}`),
  health: () => get<{ status: string; version: string }>('/health'),
  file: async (url: string) => (await request(url)).blob(),

  async cancel(id: number): Promise<Job> {
    return (await (await request(`${ROOT}/jobs/${id}`, { method: 'DELETE' })).json()) as Job;
  },
  async removeImage(id: number): Promise<void> {
    await request(`${ROOT}/images/${id}`, { method: 'DELETE' });
  },
  async jobs(before: number | null, limit: number): Promise<Page<Job>> {
    const { jobs, next } = await get<{ jobs: Job[]; next: number | null }>(`/jobs${page(before, limit)}`);
    return { entries: jobs, next };
  },
  async images(before: number | null, limit: number): Promise<Page<StoredImage>> {
    const { images, next } = await get<{ images: StoredImage[]; next: number | null }>(
      `/images${page(before, limit)}`,
    );
    return { entries: images, next };
  },
  async inspect(file: Blob): Promise<ImageInfo> {
    return (await (await request(`${ROOT}/info`, { method: 'POST', body: file })).json()) as ImageInfo;
  },
};
