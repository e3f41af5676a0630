// What was measured, and how it is shown: medians over rounds, and ratios of what ran in one round.

/** One line of the report. */
export interface Result {
  /** `encode/writer/64`, `ours-java/64/no-ack`. */
  readonly name: string;
  /** `ns`, `msg/s`, `us`, `MiB`. */
  readonly unit: string;
  /** One figure a round. */
  readonly ours: readonly number[];
  /** What it is compared with, such as `Java createDataPackage`. */
  readonly against?: string | undefined;
  /** Its figures, one a round and in the same rounds. */
  readonly theirs?: readonly number[] | undefined;
  /** The ratio to reach: at least, or at most where smaller is better and `limit` is set. */
  readonly goal?: number | undefined;
  /** The ratio is ours over theirs and must not exceed the goal; otherwise it is a speed-up. */
  readonly limit?: boolean | undefined;
  /** Processor time a message of the sending process, one figure a round. */
  readonly senderMicros?: readonly number[] | undefined;
  /** The same of the receiving one. */
  readonly receiverMicros?: readonly number[] | undefined;
  /** Payload bytes of one operation, for MB/s. */
  readonly bytes?: number | undefined;
}

/** A median and how far the rounds went. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Median, least and greatest of figures; of none all are NaN. */
export function spreadOf(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1
    ? sorted[middle]
    : (sorted[middle - 1]! + sorted[middle]!) / 2; // NaN when it is empty
  return {
    median: median ?? NaN,
    min: sorted[0] ?? NaN,
    max: sorted.at(-1) ?? NaN,
  };
}

/** The ratio that the goal is about, round by round; `undefined` with nothing to compare. */
export function ratioOf(result: Result): Spread | undefined {
  const { ours, theirs, unit, limit } = result;
  if (theirs === undefined || theirs.length === 0) return undefined;
  const faster = unit !== "ns" || limit === true;
  return spreadOf(
    ours.map((figure, round) =>
      faster ? figure / theirs[round]! : theirs[round]! / figure // both have a figure a round
    ),
  );
}

/** Whether a goal is met; `undefined` without goal or comparison. */
export function isMet(result: Result): boolean | undefined {
  const ratio = ratioOf(result);
  if (ratio === undefined || result.goal === undefined) return undefined;
  return result.limit === true
    ? ratio.median <= result.goal
    : ratio.median >= result.goal;
}

/** The report as a table of text. */
export function formatResults(results: readonly Result[]): string {
  const rows = [
    [
      "case",
      "ours",
      "spread",
      "MB/s",
      "cpu us",
      "against",
      "theirs",
      "ratio",
      "goal",
    ],
    ...results.map(formatRow),
  ];
  const widths = rows[0]!.map((_, column) =>
    // the heading is there
    Math.max(...rows.map((row) => row[column]!.length)) // rows are alike
  );
  return rows.map((row) =>
    row.map((cell, column) =>
      column === 0 || column === 5
        ? cell.padEnd(widths[column]!) // one a column
        : cell.padStart(widths[column]!)
    ).join("  ").trimEnd()
  ).join("\n");
}

/** A result as the JSON report has it. */
export function resultToJson(result: Result): Record<string, unknown> {
  const { theirs } = result;
  return {
    ...result,
    median: spreadOf(result.ours).median,
    theirMedian: theirs && spreadOf(theirs).median,
    ratio: ratioOf(result),
    met: isMet(result),
  };
}

function formatRow(result: Result): string[] {
  const { name, unit, ours, against, theirs, goal, limit, bytes } = result;
  const own = spreadOf(ours);
  const ratio = ratioOf(result);
  const met = isMet(result);
  const perSecond = unit === "ns" ? 1e9 / own.median : own.median;
  return [
    name,
    `${formatFigure(own.median)} ${unit}`,
    ours.length < 2 ? "" : `${formatFigure(own.min)}..${formatFigure(own.max)}`,
    bytes ? formatFigure(perSecond * bytes / 1e6) : "",
    formatMicros(result),
    theirs === undefined ? "" : against ?? "",
    theirs === undefined
      ? ""
      : `${formatFigure(spreadOf(theirs).median)} ${unit}`,
    ratio === undefined
      ? ""
      : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}..${
        ratio.max.toFixed(2)
      })`,
    goal === undefined
      ? ""
      : `${limit === true ? "<=" : ">="} ${goal}${
        met === undefined ? "" : met ? " met" : " NOT MET"
      }`,
  ];
}

/** Processor time of sender and receiver. */
function formatMicros({ senderMicros, receiverMicros }: Result): string {
  if (senderMicros === undefined || receiverMicros === undefined) return "";
  const sender = spreadOf(senderMicros).median;
  const receiver = spreadOf(receiverMicros).median;
  return Number.isNaN(sender + receiver)
    ? ""
    : `${formatFigure(sender)}+${formatFigure(receiver)}`;
}

function formatFigure(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)}k`;
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}
