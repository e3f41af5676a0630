// The vectors of coordinators and of two-phase commits, and values like them.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import {
  COORDINATION_CONFIRMATION,
  COORDINATION_REQUEST,
  type CoordinationMessage,
  decodeHex,
} from "../../protocol/mod.ts";
import { byteStrings, members } from "./arbitraries.ts";
import { type MemberForm, memberFromForm, type Vector } from "./vectors.ts";

/** One coordination message. */
export interface CoordinationVector extends Vector {
  /** The body. */
  readonly hex: string;
  /** Its fields; without a type it is a confirmation. */
  readonly decoded: {
    readonly leader: MemberForm;
    readonly source: MemberForm;
    readonly view: readonly MemberForm[];
    readonly id: string;
    readonly type?: string;
  };
}

/** What was sent for one message. */
export interface TwoPhaseVector extends Vector {
  /** The message. */
  readonly plain: string;
  /** Its unique id. */
  readonly uniqueId: string;
  /** What went out. */
  readonly sent: readonly {
    readonly options: number;
    readonly uniqueId: string;
    readonly message: string;
  }[];
}

/** Loads the coordination messages. */
export function coordinationVectors(): readonly CoordinationVector[] {
  return load<CoordinationVector>("coordination");
}

/** Loads the two-phase commits. */
export function twoPhaseVectors(): readonly TwoPhaseVector[] {
  return load<TwoPhaseVector>("two-phase");
}

/** Makes a message from its form in the vectors. */
export function coordinationFromForm(
  form: CoordinationVector["decoded"],
): CoordinationMessage {
  return {
    leader: memberFromForm(form.leader),
    source: memberFromForm(form.source),
    view: form.view.map(memberFromForm),
    id: decodeHex(form.id),
    type: form.type === undefined
      ? COORDINATION_CONFIRMATION
      : decodeHex(form.type),
  };
}

/** Messages of every shape that has a wire form. */
export function coordinationMessages(): fc.Arbitrary<CoordinationMessage> {
  return fc.record({
    leader: members(),
    source: members(),
    view: fc.array(members(), { maxLength: 5 }),
    id: byteStrings(16, 16),
    type: fc.oneof(
      fc.constantFrom(COORDINATION_REQUEST, COORDINATION_CONFIRMATION),
      byteStrings(16, 16),
    ),
  }, { noNullPrototype: true });
}

function load<V extends Vector>(category: string): readonly V[] {
  const url = new URL(`../vectors/${category}.json`, import.meta.url);
  // The files are our own, and their forms are those declared above.
  const file = JSON.parse(readFileSync(url, "utf8")) as { vectors: V[] };
  if (file.vectors.length === 0) throw new Error(`No vectors in ${category}`);
  return file.vectors;
}
