import { Client, encodeProof, keyPress } from "../support/client.ts";
import { send } from "../support/http.ts";
import { Injected, signedHeaders } from "../support/injected.ts";
import { expect, test } from "../support/test.ts";
import type { Bank } from "../support/bank.ts";
import type { House } from "../support/servers.ts";
import type { Page } from "@playwright/test";

/** Somebody signed in, with the attacker's script in the page. */
async function infected(bank: Bank, page: Page): Promise<Injected> {
  const script = await Injected.into(page);
  await bank.register(`u${Math.random().toString(36).slice(2)}`);
  return script;
}

async function transferTo(house: House): Promise<string> {
  const friend = await Client.registered(house);
  return JSON.stringify({ to: friend.name, amount: 4200, note: "a gift" });
}

test("attack 5: script that asks for a transfer gets a sheet, and without a person no signature", async ({ bank, house, page }) => {
  const script = await infected(bank, page);
  const body = await transferTo(house);
  const order = { path: "/api/transfer", body, nonce: await script.nonce() };

  const asked = script.wish({ ...order, level: "confirmed" }, 6_000);
  await expect(bank.sheet).toBeVisible();
  await expect(bank.sheet).toContainText("42.00 EUR");
  await expect(bank.confirmButton("Send 42.00 EUR")).toBeEnabled();
  // It can wait as long as it likes, ask again, and click where it believes the button to be.
  await page.evaluate(() => {
    const frame = document.querySelector<HTMLIFrameElement>("#pan-frame");
    const box = frame?.getBoundingClientRect() ?? new DOMRect();
    for (let y = 0; y < box.height; y += 20) {
      for (let x = 0; x < box.width; x += 40) {
        const at = { bubbles: true, clientX: box.x + x, clientY: box.y + y };
        for (const target of [frame, document.elementFromPoint(at.clientX, at.clientY)]) {
          for (const type of ["pointerdown", "mousedown", "pointerup", "mouseup", "click"]) target?.dispatchEvent(new PointerEvent(type, at));
        }
      }
    }
  });
  expect((await script.wish({ ...order, nonce: order.nonce, level: "confirmed" }))?.Err).toBe("busy");
  expect(await asked, "nobody clicked, so nothing is answered").toBeUndefined();
  await page.keyboard.press("Escape");
  await expect(bank.sheet).toBeHidden();

  // Asking for less than the catalogue says opens no sheet and gives no signature.
  for (const level of ["signed", "interaction"] as const) {
    const answer = await script.wish({ ...order, level, proof: level === "interaction" ? keyPress("transfer") : null });
    expect(answer?.Err, level).toBe("level_too_low");
  }
  await page.reload();
  await expect(bank.balance).toHaveText("1,000.00 EUR");
  // The positive control: with a person, the same order goes through.
  const friend = (JSON.parse(body) as { to: string }).to;
  await bank.order({ to: friend, amount: "42", note: "a gift" });
  await bank.confirm("Send 42.00 EUR");
  await expect(bank.balance).toHaveText("958.00 EUR");
});

test("attack 6: synthetic events make no proof and press no button of the sheet", async ({ bank, house, page }) => {
  await infected(bank, page);
  const proofs: string[] = [];
  page.on("request", (request) => {
    const proof = request.headers()["x-interaction-proof"];
    if (proof && proof !== "none") proofs.push(proof);
  });
  const events = () => {
    const field = document.querySelector<HTMLInputElement>("#name");
    const button = field?.form?.querySelector("button");
    if (!field || !button) throw new Error("the form is gone");
    field.value = "Robot";
    const at = button.getBoundingClientRect();
    const init = { bubbles: true, cancelable: true, composed: true, clientX: at.x + 5, clientY: at.y + 5, detail: 1, pointerType: "mouse" };
    for (const type of ["pointermove", "pointerdown", "mousedown", "pointerup", "mouseup", "click"]) button.dispatchEvent(new PointerEvent(type, init));
    for (const type of ["keydown", "keyup"]) button.dispatchEvent(new KeyboardEvent(type, { bubbles: true, key: "Enter" }));
    button.click();
    field.form?.requestSubmit();
  };
  await page.evaluate(events);
  // The page has no proof to give, so a person is asked; nobody answers.
  await expect(bank.sheet).toBeVisible();
  expect(proofs).toEqual([]);

  // Not even script inside the frame can press the button: its events are not trusted either.
  await expect(bank.confirmButton("Change name")).toBeEnabled();
  await bank.sheet.evaluate((sheet) => {
    for (const button of sheet.querySelectorAll("button")) {
      if (button.textContent?.includes("Cancel")) continue;
      const init = { bubbles: true, composed: true, detail: 1 };
      for (const type of ["pointerdown", "pointerup", "click"]) button.dispatchEvent(new PointerEvent(type, init));
      for (const type of ["keydown", "keyup"]) button.dispatchEvent(new KeyboardEvent(type, { bubbles: true, key: "Enter" }));
      button.click();
    }
  });
  await expect(bank.sheet).toBeVisible();
  expect(proofs).toEqual([]);
  await page.keyboard.press("Escape");
  await page.reload();
  await expect(bank.displayName).toHaveText(bank.user);

  // The positive control: a trusted click does both.
  await bank.renamed("Person");
  expect(proofs).not.toEqual([]);
  expect(house.app).toContain("localhost");
});

/** A pointer proof that script makes up: points as `[dx, dy, dt]`. */
function pointer(path: number[][], hold = 90): object {
  return { ...keyPress("display_name"), kind: "pointer", path, hold };
}

const steps = (count: number, step: (at: number) => number[]) => [[200, 500, 0], ...Array.from({ length: count }, (_, at) => step(at))];

const CRUDE: Record<string, () => object> = {
  "a straight line at constant speed": () => pointer(steps(30, () => [-4, -16, 16])),
  "a teleport": () => pointer([[900, 700, 0], [-830, -674, 1]]),
  "no way at all": () => pointer([]),
  "a press of no length": () => pointer(steps(30, () => [-4, -16, 16]), 0),
};

for (const [what, forge] of Object.entries(CRUDE)) {
  test(`attack 7: a forged interaction proof (${what}) raises the level to Confirmed`, async ({ bank, page }) => {
    const script = await infected(bank, page);
    const body = JSON.stringify({ name: "Forged" });
    const signed = await script.signed({ path: "/api/display_name", body, level: "interaction", nonce: await script.nonce(), proof: forge() });
    const reply = await script.post("/api/display_name", body, signed);
    expect(reply.code, reply.text).toBe("step_up_required");
    await page.reload();
    await expect(bank.displayName).toHaveText(bank.user);
  });
}

test("attack 7: a proof of another action, a stale one and a reused one are refused", async ({ bank, page }) => {
  const script = await infected(bank, page);
  const body = JSON.stringify({ name: "Forged" });
  const wish = async (proof: object) => ({ path: "/api/display_name", body, level: "interaction" as const, nonce: await script.nonce(), proof });
  expect((await script.wish(await wish(keyPress("transfer"))))?.Err).toBe("bad_proof");
  expect((await script.wish(await wish({ ...keyPress("display_name"), by: "signer", kind: "confirm", dwell: 900 })))?.Err).toBe("bad_proof");
  const stale = await script.signed(await wish(keyPress("display_name", Date.now() - 60_000)));
  expect((await script.post("/api/display_name", body, stale)).code).toBe("invalid_proof");
  await page.reload();
  await expect(bank.displayName).toHaveText(bank.user);
});

// What PAN does not stop, and says so: script in the open page can imitate a person perfectly.
test("attack 7: a perfect forgery passes at level Interaction, and only there", async ({ bank, house, page }) => {
  const script = await infected(bank, page);
  // A key press has no way that could look wrong; and the person's own way to a button can be recorded and told again.
  let header = "";
  await expect(async () => {
    const honest = page.waitForResponse("**/api/display_name");
    await bank.renamed("Person");
    const reply = await honest;
    expect(reply.status(), "taken for a person's").toBe(200);
    header = reply.request().headers()["x-interaction-proof"] ?? "";
  }).toPass();
  const recorded = JSON.parse(Buffer.from(header, "base64url").toString()) as { path: number[][] };
  expect(recorded).toMatchObject({ by: "app", kind: "pointer" });
  const rename = async (name: string, proof: object) => {
    const body = JSON.stringify({ name });
    const signed = await script.signed({ path: "/api/display_name", body, level: "interaction", nonce: await script.nonce(), proof });
    return script.post("/api/display_name", body, signed);
  };
  // Told again as it was, it is recognised; with one pixel changed, it is not.
  expect((await rename("Repeated", { ...recorded, at: Date.now() })).code).toBe("step_up_required");
  const path = recorded.path.map(([dx, dy, dt], at) => [(dx ?? 0) + (at === 1 ? 1 : 0), dy, dt]);
  for (const [name, proof] of Object.entries({ Pressed: keyPress("display_name"), Recorded: { ...recorded, path, at: Date.now() } })) {
    expect((await rename(name, proof)).status, name).toBe(200);
    await page.reload();
    await expect(bank.displayName).toHaveText(name);
  }

  const transfer = await transferTo(house);
  const wish = { path: "/api/transfer", body: transfer, level: "interaction" as const, nonce: await script.nonce(), proof: keyPress("transfer") };
  expect((await script.wish(wish))?.Err).toBe("level_too_low");
  await expect(bank.balance).toHaveText("1,000.00 EUR");
});

test("attack 8: what was signed cannot be changed, and the frame signs nothing but the catalogue", async ({ bank, house, page }) => {
  const script = await infected(bank, page);
  const nonce = await script.nonce();
  const refused = async (wish: Parameters<Injected["wish"]>[0]) => (await script.wish({ nonce, ...wish }))?.Err;
  expect(await refused({ path: "/api/unheard_of" })).toBe("unknown_action");
  expect(await refused({ path: "/api/account?as=admin" })).toBe("unknown_action");
  expect(await refused({ path: "/api/account/" })).toBe("unknown_action");
  expect(await refused({ path: "/api/account", body: '{"user":"bob"}' })).toBe("unknown_arguments");
  expect(await refused({ path: "/api/account", body: "{} " })).toBe("unknown_arguments");
  expect(await refused({ path: "/api/display_name", body: '{"name":"a"}', level: "signed" })).toBe("level_too_low");
  expect(await refused({ path: "/api/transfer", body: '{"to":"bob","amount":1}', level: "confirmed" })).toBe("unknown_arguments");
  expect(await script.ask({ sign_bytes: { bytes: "AA" } })).toEqual({ Err: "malformed" });

  // The page's own request, bent after signing. Each gets a signature of its own, because a nonce is spent once.
  const body = JSON.stringify({ name: "Signed" });
  const order = async () =>
    script.signed({ path: "/api/display_name", body, level: "interaction", nonce: await script.nonce(), proof: keyPress("display_name") });
  const bent = JSON.stringify({ name: "Bent" });
  expect((await script.post("/api/display_name", bent, await order())).code).toBe("invalid_proof");
  const { digest } = await script.signed({ path: "/api/display_name", body: bent, level: "interaction", nonce: await script.nonce(), proof: keyPress("display_name") });
  expect((await script.post("/api/display_name", bent, { ...(await order()), digest })).code).toBe("invalid_proof");
  expect((await script.post("/api/display_name?as=admin", body, await order())).code).toBe("invalid_proof");
  expect((await script.post("/api/account", "{}", await order())).code).toBe("invalid_proof");
  expect((await script.post("/api/nowhere", body, await order())).code).toBe("malformed");
  const raised = { ...(await order()), proof: encodeProof({ ...keyPress("display_name"), by: "signer", kind: "confirm", dwell: 900 }) };
  expect((await script.post("/api/display_name", body, raised)).code).toBe("invalid_proof");
  expect((await script.post("/api/display_name", body, { ...(await order()), proof: "none" })).code).toBe("step_up_required");

  // The positive control: unbent, it passes.
  expect((await script.post("/api/display_name", body, await order())).status).toBe(200);
  expect((await send(house, { path: "/api/account", headers: signedHeaders(raised) })).status).toBeGreaterThanOrEqual(400);
  await page.reload();
  await expect(bank.displayName).toHaveText("Signed");
});
