import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, expectAccessible, test } from './support/test';

const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const LIMIT_BYTES = 300_000;

for (const [device, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test.describe(`${device}, ${colorScheme}`, () => {
      test.use({ viewport, colorScheme });

      test('is accessible and no wider than the screen', async ({ home, server }) => {
        await server.draw('a red bird');
        await home.reload();
        await expect(home.getByRole('region', { name: 'Result' }).getByAltText('a red bird')).toBeVisible();
        await expectAccessible(home);
        for (const view of ['Gallery', 'Jobs']) {
          await home.getByRole('link', { name: view, exact: true }).click();
          await expect(home.getByRole('heading', { name: view })).toBeVisible();
          await expectAccessible(home);
          expect(await home.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
            viewport.width,
          );
        }
        await home.getByRole('link', { name: 'Gallery' }).click();
        await home.getByRole('button', { name: 'a red bird' }).first().click();
        await expect(home.getByRole('dialog')).toBeVisible();
        await expectAccessible(home);
      });
    });
  }
}

test('colours can be chosen', async ({ home }) => {
  const background = (): Promise<string> =>
    home.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const button = home.getByRole('button', { name: 'Colours' });
  await button.click(); // light
  const light = await background();
  await button.click(); // dark
  const dark = await background();
  expect(dark).not.toBe(light);
  await home.reload();
  expect(await background()).toBe(dark);
});

test('the page is small and appears soon', async ({ home }) => {
  const files = readdirSync('dist', { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const sizes = files.map(
    (entry) => gzipSync(readFileSync(join(entry.parentPath ?? entry.path, entry.name))).length,
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  expect(total).toBeLessThan(LIMIT_BYTES);
  const firstPaint = (): Promise<number> =>
    home.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0);
  await expect.poll(firstPaint).toBeGreaterThan(0);
  const paint = await firstPaint();
  console.log(`compressed bundle: ${total} bytes; first visible page after ${Math.round(paint)} ms`);
});
