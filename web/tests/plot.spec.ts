import { expect, expectAccessible, test } from './support/test';

test('draws a sheet of settings side by side', async ({ home }) => {
  await home.getByLabel('Prompt', { exact: true }).fill('a red bird');
  await home.getByText('Compare settings', { exact: true }).click();
  await home.getByLabel('Compare settings on one sheet').check();
  await home.getByLabel('Columns', { exact: true }).selectOption('steps');
  await home.getByLabel('Values of the columns').fill('1-3');
  await home.getByLabel('Rows', { exact: true }).selectOption('prompt');
  await home.getByLabel('Values of the rows').fill('blue, red');
  await expect(home.getByText('"blue" comes first, but is not in the prompt')).toBeVisible();
  await home.getByLabel('Values of the rows').fill('red, blue');
  await expectAccessible(home);
  await home.getByRole('button', { name: 'Draw 6' }).click();

  const sheet = home.getByRole('region', { name: 'Sheet', exact: true });
  await expect(sheet).toContainText('6 of 6 drawn', { timeout: 60_000 });
  await expect(sheet.getByRole('columnheader')).toHaveText(['Steps 1', 'Steps 2', 'Steps 3']);
  await expect(sheet.getByAltText('Steps 3 blue')).toBeVisible();
  await home.reload();
  await expect(sheet.getByAltText('Steps 3 blue')).toBeVisible();
  const [download] = await Promise.all([
    home.waitForEvent('download'),
    sheet.getByRole('button', { name: 'Download' }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('sheet.png');
  await expectAccessible(home);
});
