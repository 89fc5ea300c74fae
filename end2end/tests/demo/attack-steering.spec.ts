import { expect, SEND_BUTTON, test } from "../../support/demo/confirmation-attack.ts";

test("attack 9: script that navigates the window to a fragment cancels it", async ({ attack }) => {
  const steered = await attack.open();
  await expect(steered.button(SEND_BUTTON)).toBeVisible();
  // If fragments were allowed, this would scroll to the button and focus it, and the next key would activate it.
  await steered.withHandle((handle) => (handle.location.href = `${location.origin.replace("//", "//sign.")}/confirm#confirm`));
  expect(await steered.outcome()).toEqual({ rejected: "cancelled" });
  await attack.expectUnharmed();
  // The positive control: an undisturbed window confirms the same request.
  const left = await attack.open();
  await left.confirm(SEND_BUTTON);
  await attack.expectPaid(left);
});

test("attack 9: continuous typing and clicking do not confirm", async ({ attack }) => {
  const window = await attack.open();
  const button = window.button(SEND_BUTTON);
  await expect(button).toBeVisible();
  // A user who types into a form while the focus moves to the button.
  await button.focus();
  for (const key of [..."abcd", "Enter", ..."efgh", "Enter", ..."ijkl", "Enter"]) await window.page.keyboard.press(key, { delay: 60 });
  // A user who presses Enter and clicks again and again.
  for (let times = 0; times < 12; times++) await window.page.keyboard.press("Enter", { delay: 60 });
  const box = await button.boundingBox();
  for (let times = 0; times < 12; times++) await window.page.mouse.click((box?.x ?? 0) + 40, (box?.y ?? 0) + 20, { delay: 60 });
  expect(await window.messages()).toEqual([{ shown: {} }]);
  // The positive control: the same window confirms once it has been in view for a while.
  await window.confirm(SEND_BUTTON);
  await attack.expectPaid(window);
});
