// A server for all tests of a worker, and a page that may talk to nobody else.
import AxeBuilder from '@axe-core/playwright';
import { test as base, expect, type Page } from '@playwright/test';
import { EaselServer } from './server';

export const test = base.extend<{ page: Page; home: Page }, { server: EaselServer }>({
  server: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const server = await new EaselServer().start();
      await use(server);
      await server.remove();
    },
    { scope: 'worker' },
  ],

  page: async ({ page }, use) => {
    const hosts = new Set<string>();
    const faults: string[] = [];
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith('http')) hosts.add(url.hostname);
    });
    page.on('pageerror', (fault) => faults.push(fault.message));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) faults.push(message.text());
    });
    await use(page);
    expect([...hosts], 'hosts that the page talked to').toEqual(['127.0.0.1']);
    expect(faults, 'errors of the page').toEqual([]);
  },

  home: async ({ page, server }, use) => {
    await page.goto(server.url);
    await use(page);
  },
});

export { expect };

export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
  expect(found, 'accessibility violations').toEqual([]);
}

// A small picture: a red square with a green border.
export async function pictureFile(page: Page, width = 128, height = 128): Promise<Buffer> {
  const data = await page.evaluate(
    ([width, height]) => {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [width, height];
      const context = canvas.getContext('2d')!;
      context.fillStyle = '#284';
      context.fillRect(0, 0, width, height);
      context.fillStyle = '#d33';
      context.fillRect(width / 4, height / 4, width / 2, height / 2);
      return canvas.toDataURL('image/png');
    },
    [width, height] as const,
  );
  return Buffer.from(data.slice(data.indexOf(',') + 1), 'base64');
}

// As if the file were dropped on `selector`.
export async function drop(page: Page, selector: string, file: Buffer, type = 'image/png'): Promise<void> {
  const transfer = await page.evaluateHandle(
    ([text, type]) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], 'dropped.png', { type }));
      return transfer;
    },
    [file.toString('base64'), type] as const,
  );
  await page.dispatchEvent(selector, 'dragover', { dataTransfer: transfer });
  await page.dispatchEvent(selector, 'drop', { dataTransfer: transfer });
}
