// Server-sent events over fetch, since EventSource sends no credentials.
import { request } from './client';
import type { Job } from './types';

// Calls `onJob` at each change until the job has ended or `signal` aborts. Its previews are drawn meanwhile.
export async function watchJob(id: number, onJob: (job: Job) => void, signal: AbortSignal): Promise<void> {
  const response = await request(`/api/v1/jobs/${id}/events?previews=true`, { signal });
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const events = buffer.split('\n\n');
    buffer = events.pop() ?? '';
    for (const event of events) {
      const data = event.split('\n').filter((line) => line.startsWith('data: '));
      if (data.length > 0) onJob(JSON.parse(data.map((line) => line.slice(6)).join('\n')) as Job);
    }
  }
}
