// The golden vectors of interceptors: what real ones sent and took.
import { readFileSync } from "node:fs";
import type { Vector } from "./vectors.ts";

/** A body before and after the gzip interceptor. */
export interface GzipVector extends Vector {
  /** The body after it. */
  readonly hex: string;
  /** What went in, and the options. */
  readonly decoded: {
    readonly optionsBefore: number;
    readonly optionsAfter: number;
    readonly plain: string;
    readonly compressed: boolean;
  };
}

/** An encrypted body. */
export interface EncryptVector extends Vector {
  /** The body. */
  readonly hex: string;
  /** Everything that went into it. */
  readonly decoded: {
    readonly algorithm: string;
    readonly key: string;
    readonly iv: string;
    readonly format: "timestamp" | "plain";
    readonly timestamp: string | null;
    readonly plain: string;
  };
}

/** A message that an interceptor sent. */
export interface SentForm {
  readonly to: readonly string[];
  readonly options: number;
  readonly uniqueId: string;
  readonly message: string;
}

/** What became of one message under fragmentation. */
export interface FragmentationVector extends Vector {
  readonly maxSize: number;
  readonly plain: string;
  readonly sent: readonly SentForm[];
}

/** Messages that were numbered, or numbered ones and when they were delivered. */
export interface OrderVector extends Vector {
  readonly plain?: readonly string[];
  readonly sent?: readonly SentForm[];
  readonly steps?: readonly {
    readonly in: string;
    readonly nr: number;
    readonly deliveredNow: readonly string[];
  }[];
}

interface Categories {
  readonly gzip: GzipVector;
  readonly encrypt: EncryptVector;
  readonly fragmentation: FragmentationVector;
  readonly order: OrderVector;
}

/**
 * Loads the vectors of a category.
 *
 * @throws {Error} When the file is missing or empty.
 */
export function interceptorVectors<Category extends keyof Categories>(
  category: Category,
): readonly Categories[Category][] {
  const url = new URL(`../vectors/${category}.json`, import.meta.url);
  // The files are our own, and their forms are those declared above.
  const { vectors } = JSON.parse(readFileSync(url, "utf8")) as {
    vectors: Categories[Category][];
  };
  if (vectors.length === 0) throw new Error(`No vectors in ${category}`);
  return vectors;
}
