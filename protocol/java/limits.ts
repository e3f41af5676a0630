/** What a stream may ask of its reader. Each limit is checked before anything is allocated. */
export interface JavaStreamLimits {
  /**
   * Length of the whole stream in bytes.
   * @default {67108864}
   */
  readonly maxBytes?: number;
  /**
   * Depth to which objects, arrays and descriptors nest. Neither reader nor writer keeps a stack of its
   * own, so that far higher values may end in a stack overflow.
   * @default {1000}
   */
  readonly maxDepth?: number;
  /**
   * Number of handles: objects, strings, arrays and class descriptors, those before a reset included.
   * @default {1000000}
   */
  readonly maxHandles?: number;
  /**
   * Elements of an array.
   * @default {67108864}
   */
  readonly maxArrayLength?: number;
  /**
   * Encoded bytes of a string.
   * @default {16777216}
   */
  readonly maxStringLength?: number;
}

/** Depth to which a stream nests, unless another limit is given. */
export const DEFAULT_MAX_JAVA_DEPTH = 1000;

/** Classes above each other; Java's own have fewer than ten. */
export const MAX_HIERARCHY_DEPTH = 100;

/**
 * Fills in the defaults.
 *
 * @throws {RangeError} When a limit is not an integer of at least 1.
 */
export function resolveJavaStreamLimits(
  limits: JavaStreamLimits = {},
): Required<JavaStreamLimits> {
  const {
    maxBytes = 67_108_864,
    maxDepth = DEFAULT_MAX_JAVA_DEPTH,
    maxHandles = 1_000_000,
    maxArrayLength = 67_108_864,
    maxStringLength = 16_777_216,
  } = limits;
  const resolved = {
    maxBytes,
    maxDepth,
    maxHandles,
    maxArrayLength,
    maxStringLength,
  };
  for (const [name, value] of Object.entries(resolved)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(
        `Cannot use ${name} ${value}: not an integer of at least 1`,
      );
    }
  }
  return resolved;
}
