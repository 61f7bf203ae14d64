// A server that draws on two cards, which are made of main memory (tests/plugins/card.cpp).
import { EaselServer } from './support/server';
import { expect, expectAccessible, test } from './support/test';

const PLUGINS = process.env['EASEL_TEST_PLUGINS'];

test('shows two jobs that run at once', async ({ page }) => {
  test.skip(!PLUGINS, 'EASEL_TEST_PLUGINS does not name the folder of the test card');
  const server = await new EaselServer(['--device', 'cuda:0,cuda:1'], {
    EASEL_PLUGINS: `${PLUGINS}/card`,
    EASEL_TEST_CARDS: '2',
  }).start();
  const others = await server.submit({ prompt: 'a blue fish', steps: 1000, batch_count: 100 });
  await expect.poll(() => server.isRunning(others)).toBe(true);
  await page.goto(server.url);
  const result = page.getByRole('region', { name: 'Result' });
  await expect(result).toContainText('a blue fish');

  await page.getByLabel('Prompt', { exact: true }).fill('a red bird on a branch');
  await page.getByLabel('Steps').fill('1000');
  await page.getByRole('button', { name: 'Generate' }).click();
  await expect(result).toContainText('a red bird on a branch');
  await expect(page.getByTestId('progress-detail')).toContainText('on cuda:1');
  const also = page.getByRole('region', { name: 'Also being drawn' });
  await expect(also).toContainText('a blue fish');
  await expect(also).toContainText('cuda:0');
  await expect(page.getByRole('region', { name: 'Queue' })).toBeHidden();
  await expectAccessible(page);

  await also.getByRole('button', { name: `Cancel job ${others}` }).click();
  await expect(also).toBeHidden();
  await expect(page.getByTestId('progress-detail')).toContainText('on cuda:1');
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  await expect(page.getByRole('progressbar')).toBeHidden();
  await page.getByRole('link', { name: 'Jobs' }).click();
  await expect(page.getByText('cancelled', { exact: true })).toHaveCount(2);
  await expect(page.getByText('on cuda:1')).toHaveCount(1);
  await server.remove();
});
