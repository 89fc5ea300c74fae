import { BUTTON, expect, test } from "../support/confirmation-attack.ts";

test("attack 9: script that steers the window to a fragment cancels it", async ({ attack }) => {
  const steered = await attack.open();
  await expect(steered.button(BUTTON)).toBeVisible();
  // Without a fragment rule this scrolls to the end, and the next key presses the button.
  await steered.handle((handle) => (handle.location.href = `${location.origin.replace("//", "//sign.")}/confirm#confirm`));
  expect(await steered.answer()).toEqual({ rejected: "cancelled" });
  await attack.isUnharmed();
  // The positive control: the same request in a window that is left alone.
  const left = await attack.open();
  await left.confirm(BUTTON);
  await attack.isPaid(left);
});

test("attack 9: typing and clicks in flow do not confirm", async ({ attack }) => {
  const window = await attack.open();
  const button = window.button(BUTTON);
  await expect(button).toBeVisible();
  // A user who fills in a form, with the focus moved to the button in between.
  await button.focus();
  for (const key of [..."abcd", "Enter", ..."efgh", "Enter", ..."ijkl", "Enter"]) await window.page.keyboard.press(key, { delay: 60 });
  // A user who presses Enter, and clicks, again and again.
  for (let times = 0; times < 12; times++) await window.page.keyboard.press("Enter", { delay: 60 });
  const box = await button.boundingBox();
  for (let times = 0; times < 12; times++) await window.page.mouse.click((box?.x ?? 0) + 40, (box?.y ?? 0) + 20, { delay: 60 });
  expect(await window.said()).toEqual([{ shown: {} }]);
  // The positive control: the same window confirms once it has been in view for a while.
  await window.confirm(BUTTON);
  await attack.isPaid(window);
});
