/** Finds the name that was probably meant: another case, or one letter wrong, or two exchanged. */
export function nearName(
  written: string,
  known: readonly string[],
): string | undefined {
  return known.find((name) =>
    isNear(name.toLowerCase(), written.toLowerCase())
  );
}

/** Whether two words differ by one letter: left out, put in, another, or two exchanged. */
function isNear(a: string, b: string): boolean {
  if (a === b) return true;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  let end = 0;
  const shorter = Math.min(a.length, b.length) - start;
  while (end < shorter && a[a.length - 1 - end] === b[b.length - 1 - end]) {
    end++;
  }
  const restA = a.slice(start, a.length - end);
  const restB = b.slice(start, b.length - end);
  if (restA.length <= 1 && restB.length <= 1) return true;
  return restA.length === 2 && restB === restA[1]! + restA[0]!; // its length is 2
}
