import type { Page } from '@playwright/test';
import type { Job } from '../src/api/types';
import { drop, expect, expectAccessible, pictureFile, test } from './support/test';

const SOURCE = 'section[aria-label="Image to start from"]';

async function newestJob(page: Page): Promise<Job> {
  const text = await page.evaluate(async () => (await fetch('/api/v1/jobs?limit=1')).text());
  return (JSON.parse(text) as { jobs: [Job] }).jobs[0];
}

async function generate(page: Page): Promise<Job> {
  const before = (await newestJob(page).catch(() => undefined))?.id ?? 0;
  await page.getByRole('button', { name: 'Generate' }).click();
  await expect.poll(async () => (await newestJob(page))?.id).toBeGreaterThan(before);
  await expect.poll(async () => (await newestJob(page)).state).toBe('done');
  return newestJob(page);
}

// How much of the image N of the job is white, 0 to 1.
async function whiteShare(page: Page, url: string): Promise<number> {
  return page.evaluate(async (url) => {
    const bitmap = await createImageBitmap(await (await fetch(url)).blob());
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    let white = 0;
    for (let at = 0; at < data.length; at += 4) white += data[at]! > 127 ? 1 : 0;
    return (4 * white) / data.length;
  }, url);
}

test.beforeEach(async ({ home }) => {
  await home.getByLabel('Prompt', { exact: true }).fill('a red bird');
  await home.getByLabel('Steps').fill('4');
});

test('img2img from an image that was dropped', async ({ home }) => {
  await drop(home, 'body', await pictureFile(home));
  await expect(home.getByRole('radio', { name: 'Image', exact: true })).toBeChecked();
  await expect(home.getByAltText('What to start from: dropped.png')).toBeVisible();
  await home.getByLabel('Strength', { exact: true }).fill('0.5');
  await expectAccessible(home);
  const job = await generate(home);
  expect(job.request.task).toBe('img2img');
  expect(job.request.strength).toBe(0.5);
  expect(job.inputs['init_image']).toBeTruthy();
  await expect(home.getByRole('region', { name: 'Result' }).getByAltText('a red bird')).toBeVisible();
});

test('an image that was pasted', async ({ home }) => {
  const file = (await pictureFile(home)).toString('base64');
  await home.evaluate((text) => {
    const clipboardData = new DataTransfer();
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    clipboardData.items.add(new File([bytes], 'pasted.png', { type: 'image/png' }));
    window.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
  }, file);
  await expect(home.getByAltText('What to start from: pasted.png')).toBeVisible();
});

test('paints a mask, takes it back, and inpaints', async ({ home }) => {
  await home.getByText('Inpaint', { exact: true }).click();
  await drop(home, SOURCE, await pictureFile(home));
  const canvas = home.locator('canvas');
  const box = (await canvas.boundingBox())!;
  const at = (x: number, y: number): [number, number] => [box.x + x * box.width, box.y + y * box.height];
  await home.mouse.move(...at(0.3, 0.5));
  await home.mouse.down();
  await home.mouse.move(...at(0.7, 0.5), { steps: 8 });
  await home.mouse.up();
  const undo = home.getByRole('button', { name: 'Undo' });
  const redo = home.getByRole('button', { name: 'Redo' });
  await undo.click();
  await expect(undo).toBeDisabled();
  await redo.click();
  await expect(redo).toBeDisabled();
  await home.getByLabel('Brush size').fill('200');
  await canvas.focus();
  await home.keyboard.press('Space'); // by keyboard: in the middle
  await home.keyboard.press('Control+z');
  await expect(redo).toBeEnabled();
  await expectAccessible(home);

  const job = await generate(home);
  expect(job.request.task).toBe('inpaint');
  const share = await whiteShare(home, job.inputs['mask']!);
  expect(share).toBeCloseTo(0.4 * 0.08 + Math.PI * 0.04 ** 2, 2); // one stroke and its round ends
});

test('erases what was painted', async ({ home }) => {
  await home.getByText('Inpaint', { exact: true }).click();
  await drop(home, SOURCE, await pictureFile(home));
  await home.getByRole('button', { name: 'Fill', exact: true }).click();
  await home.getByRole('button', { name: 'Erase', exact: true }).click();
  await home.getByLabel('Brush size').fill('400');
  await home.locator('canvas').focus();
  await home.keyboard.press('Space');
  const job = await generate(home);
  const share = await whiteShare(home, job.inputs['mask']!);
  expect(share).toBeCloseTo(1 - Math.PI * 0.2 ** 2, 1); // a disc of 0.4 of the side is missing
});

test('extends the image by margins', async ({ home }) => {
  await home.getByText('Inpaint', { exact: true }).click();
  await drop(home, SOURCE, await pictureFile(home));
  await home.getByLabel('Right', { exact: true }).fill('64');
  await expect(home.locator(SOURCE)).toContainText('192 × 128');
  await generate(home);
  await expect(home.getByRole('region', { name: 'Result' })).toContainText('192 × 128');
});

test('sends an image from the gallery to img2img', async ({ home, server }) => {
  await server.draw('a green flower');
  await home.getByRole('link', { name: 'Gallery' }).click();
  await home.reload();
  await home.getByRole('button', { name: 'a green flower' }).first().click();
  await home.getByRole('dialog').getByRole('button', { name: 'Send to img2img' }).click();
  await expect(home.getByAltText(/What to start from: a-green-flower/)).toBeVisible();
});
