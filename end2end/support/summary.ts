import type { FullResult, Reporter, TestCase, TestResult } from "@playwright/test/reporter";

/** Closes the output with one plain line, which needs no knowledge of Playwright to be read. */
export default class Summary implements Reporter {
  private readonly last = new Map<string, TestResult["status"]>();
  private readonly again = new Set<string>();

  onTestEnd(test: TestCase, result: TestResult): void {
    this.last.set(test.id, result.status);
    if (result.retry) this.again.add(test.titlePath().filter(Boolean).join(" › "));
  }

  onEnd(_: FullResult): void {
    const count = (...statuses: TestResult["status"][]) =>
      [...this.last.values()].filter((status) => statuses.includes(status)).length;
    const skipped = count("skipped");
    for (const title of this.again) console.log(`tried again: ${title}`);
    console.log(`\nbrowser: ${count("passed")} passed, ${count("failed", "timedOut", "interrupted")} failed` + (skipped ? `, ${skipped} skipped` : ""));
  }

  printsToStdio(): boolean {
    return false;
  }
}
