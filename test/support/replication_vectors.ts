// The golden vectors of session replication.
import { readFileSync } from "node:fs";
import type { Vector } from "./vectors.ts";

/** One message, or a part of one. */
export interface ReplicationVector extends Vector {
  /** The stream. */
  readonly hex: string;
  /** Its fields. */
  readonly decoded: Readonly<Record<string, unknown>>;
}

/** A class descriptor as a release writes it. */
export interface ClassVector extends Vector {
  /** Name of the class. */
  readonly class: string;
  /** Its serialVersionUID. */
  readonly serialVersionUID: string;
  /** Whether it writes itself. */
  readonly externalizable: boolean;
  /** Its fields in the order of the stream. */
  readonly fields: readonly {
    readonly name: string;
    readonly typeCode: string;
    readonly type: string | null;
  }[];
}

/** What two running nodes sent each other at one step. */
export interface LiveVector extends Vector {
  /** Frames in the order in which they were sent. */
  readonly frames: readonly {
    readonly from: string;
    readonly options: number;
    readonly hex: string;
    readonly decoded: Readonly<Record<string, unknown>>;
  }[];
}

/** Categories and the vectors in them. */
export interface ReplicationCategories {
  /** Messages of DeltaManager. */
  readonly "session-message": ReplicationVector;
  /** New ids of sessions. */
  readonly "session-id": ReplicationVector;
  /** Changes of sessions. */
  readonly "delta-request": ReplicationVector;
  /** Whole sessions. */
  readonly "session-block": ReplicationVector;
  /** Messages of maps. */
  readonly "map-message": ReplicationVector;
  /** What single sign-on adds. */
  readonly "sso": ReplicationVector;
  /** Pieces of applications. */
  readonly "file-message": ReplicationVector;
  /** Class descriptors. */
  readonly "class-descriptor": ClassVector;
  /** Two nodes with DeltaManager. */
  readonly "live-delta": LiveVector;
  /** Two nodes with BackupManager. */
  readonly "live-backup": LiveVector;
}

/**
 * Loads the vectors of a category.
 *
 * @throws {Error} When the file is missing or empty.
 */
export function replicationVectors<
  Category extends keyof ReplicationCategories,
>(
  category: Category,
): readonly ReplicationCategories[Category][] {
  const url = new URL(`../vectors/${category}.json`, import.meta.url);
  // The files are our own, and their forms are those declared above.
  const file = JSON.parse(readFileSync(url, "utf8")) as {
    vectors: ReplicationCategories[Category][];
  };
  if (file.vectors.length === 0) throw new Error(`No vectors in ${category}`);
  return file.vectors;
}
