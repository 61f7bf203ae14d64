import { drop, expect, expectAccessible, pictureFile, test } from './support/test';

test('makes an image larger and compares before and after', async ({ home }) => {
  await home.getByText('Upscale', { exact: true }).click();
  await drop(home, 'section[aria-label="Image to start from"]', await pictureFile(home));
  await home.getByLabel('Times as large').fill('2');
  await expect(home.getByText('128 × 128 becomes 256 × 256')).toBeVisible();
  await home.getByRole('button', { name: 'Upscale', exact: true }).first().click();

  const result = home.getByRole('region', { name: 'Result' });
  const after = result.getByAltText('After');
  await expect(after).toBeVisible();
  await expect(result).toContainText('256 × 256');
  await expect.poll(() => after.evaluate((node: HTMLImageElement) => node.naturalWidth)).toBe(256);
  const before = result.getByAltText('Before');
  expect(await before.evaluate((node: HTMLImageElement) => node.naturalWidth)).toBe(128);

  const slider = result.getByLabel('How much of the image before is shown');
  const shown = (): Promise<string> =>
    result.locator('.before').evaluate((node) => getComputedStyle(node).clipPath);
  const half = await shown();
  await slider.focus();
  await home.keyboard.press('End');
  expect(await shown()).not.toBe(half);
  await expectAccessible(home);
});
