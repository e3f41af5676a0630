/** Greatest port. */
export const MAX_PORT = 65_535;

/**
 * Checks an option that is a whole number.
 *
 * @throws {RangeError} With the option's name and the value.
 */
export function checkInteger(
  value: number,
  name: string,
  least: number,
  most: number,
): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(
      `Cannot use ${name} ${value}: not an integer from ${least} to ${most}`,
    );
  }
}

/**
 * Checks an option that is a port to bind.
 *
 * @throws {RangeError} With the option's name and the value.
 */
export function checkPort(value: number, name: string): void {
  checkInteger(value, name, 0, MAX_PORT);
}
