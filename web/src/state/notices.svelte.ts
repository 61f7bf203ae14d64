// Short messages that come and go; errors stay until they are closed.

export type NoticeKind = 'info' | 'success' | 'error';
export interface Notice {
  id: number;
  kind: NoticeKind;
  text: string;
}

const SHOWN_MS = 5000;
const MOST = 4;

class Notices {
  list = $state<Notice[]>([]);
  #next = 1;

  add(kind: NoticeKind, text: string): void {
    if (this.list.some((notice) => notice.text === text)) return;
    const id = this.#next++;
    this.list = [...this.list, { id, kind, text }].slice(-MOST);
    if (kind !== 'error') setTimeout(() => this.close(id), SHOWN_MS);
  }

  close(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}

export const notices = new Notices();

// For what a click began: its failure is told, and nothing else happens.
export async function tellFailure(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (fault) {
    notices.add('error', fault instanceof Error ? fault.message : String(fault));
  }
}
