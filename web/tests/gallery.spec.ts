import { readFileSync } from 'node:fs';
import { EaselServer } from './support/server';
import { expect, test } from './support/test';

test('shows images in full size, by keyboard too', async ({ home, server }) => {
  await server.draw('a green tree', 'a white cat', 'a blue car');
  await home.getByRole('link', { name: 'Gallery' }).click();
  await home.reload();
  await home.getByRole('button', { name: 'a blue car' }).first().click();
  const dialog = home.getByRole('dialog');
  await expect(dialog).toContainText('a blue car');
  await expect(dialog).toContainText('64x64');
  await home.keyboard.press('ArrowRight');
  await expect(dialog).toContainText('a white cat');
  await home.keyboard.press('ArrowLeft');
  await expect(dialog).toContainText('a blue car');
  await home.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
});

test('gives settings back, downloads and deletes', async ({ home, server }) => {
  await server.draw('a red balloon');
  await home.goto(`${server.url}/#/gallery`);
  await home.reload();
  await home.getByRole('button', { name: 'a red balloon' }).first().click();
  const [download] = await Promise.all([
    home.waitForEvent('download'),
    home.getByRole('button', { name: 'Download' }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^a-red-balloon-5-\d+\.png$/);
  expect(
    readFileSync(await download.path())
      .subarray(1, 4)
      .toString(),
  ).toBe('PNG');

  await home.getByRole('button', { name: 'Use these settings' }).click();
  await expect(home.getByLabel('Prompt', { exact: true })).toHaveValue('a red balloon');
  await expect(home.getByLabel('Steps')).toHaveValue('2');
  await expect(home.getByLabel('Seed', { exact: true })).toHaveValue('5');

  await home.getByRole('link', { name: 'Gallery' }).click();
  await home.getByRole('button', { name: 'a red balloon' }).first().click();
  const dialog = home.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await dialog.getByRole('button', { name: 'Really delete' }).click();
  await home.keyboard.press('Escape');
  await expect(home.getByRole('button', { name: 'a red balloon' })).toHaveCount(0);
});

test('outlives a server that was killed, and waits for the next', async ({ page }) => {
  const server = await new EaselServer().start();
  try {
    await server.draw('a purple flower');
    await page.goto(`${server.url}/#/gallery`);
    await expect(page.getByRole('button', { name: 'a purple flower' })).toBeVisible();
    const job = await server.submit({ prompt: 'a boat', steps: 1000, batch_count: 100 });
    await expect.poll(() => server.isRunning(job)).toBe(true);
    await server.kill('SIGKILL');
    await expect(page.getByText('The server does not answer. Start it')).toBeVisible();
    await server.start(server.port);
    await expect(page.getByText('The server does not answer. Start it')).toBeHidden();
    await page.reload();
    await expect(page.getByRole('button', { name: 'a purple flower' })).toBeVisible();
    await page.getByRole('link', { name: 'Jobs' }).click();
    await expect(page.getByText('interrupted')).toBeVisible();
  } finally {
    await server.remove();
  }
});
