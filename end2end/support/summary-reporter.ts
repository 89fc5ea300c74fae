import type { FullResult, Reporter, TestCase, TestResult } from "@playwright/test/reporter";

/** How many tests of a CI run may need a second try because the machine was busy. */
const MAX_RETRIED = 2;

/** Lists the tests that were retried and ends the output with the numbers of passed and failed tests. */
export default class SummaryReporter implements Reporter {
  private readonly statuses = new Map<string, TestResult["status"]>();
  private readonly retried = new Set<string>();

  onTestEnd(test: TestCase, result: TestResult): void {
    this.statuses.set(test.id, result.status);
    if (result.retry) this.retried.add(test.titlePath().filter(Boolean).join(" › "));
  }

  async onEnd({ status }: FullResult): Promise<{ status: FullResult["status"] }> {
    const count = (...wanted: TestResult["status"][]) => [...this.statuses.values()].filter((status) => wanted.includes(status)).length;
    const skipped = count("skipped");
    for (const title of this.retried) console.log(`retried: ${title}`);
    console.log(`\nbrowser: ${count("passed")} passed, ${count("failed", "timedOut", "interrupted")} failed` + (skipped ? `, ${skipped} skipped` : ""));
    if (this.retried.size <= MAX_RETRIED) return { status };
    console.log(`More than ${MAX_RETRIED} tests were retried. Fix the tests, or what they test.`);
    return { status: "failed" };
  }

  printsToStdio(): boolean {
    return false;
  }
}
