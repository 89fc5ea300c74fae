import type { FullResult, Reporter, TestCase, TestResult } from "@playwright/test/reporter";

/** How many tests of a CI run may need a second try, which a busy machine explains. */
const MAX_RETRIED = 2;

/** Names the tests that were tried again, and closes the output with one plain line, which needs no knowledge of Playwright to be read. */
export default class Summary implements Reporter {
  private readonly last = new Map<string, TestResult["status"]>();
  private readonly again = new Set<string>();

  onTestEnd(test: TestCase, result: TestResult): void {
    this.last.set(test.id, result.status);
    if (result.retry) this.again.add(test.titlePath().filter(Boolean).join(" › "));
  }

  async onEnd({ status }: FullResult): Promise<{ status: FullResult["status"] }> {
    const count = (...statuses: TestResult["status"][]) =>
      [...this.last.values()].filter((status) => statuses.includes(status)).length;
    const skipped = count("skipped");
    for (const title of this.again) console.log(`tried again: ${title}`);
    console.log(`\nbrowser: ${count("passed")} passed, ${count("failed", "timedOut", "interrupted")} failed` + (skipped ? `, ${skipped} skipped` : ""));
    if (this.again.size <= MAX_RETRIED) return { status };
    console.log(`More than ${MAX_RETRIED} tests were tried again: that is a fault, of the tests or of what they test.`);
    return { status: "failed" };
  }

  printsToStdio(): boolean {
    return false;
  }
}
