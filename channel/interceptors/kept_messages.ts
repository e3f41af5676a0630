// What keeping messages of others costs. Their heads are bounded by the frame alone: whoever sends a
// body of no bytes with a domain of megabytes must not fill the memory with it.
import type { ChannelData } from "../../protocol/tribes/channel_data.ts";
import { byteLengthMember } from "../../protocol/tribes/member.ts";

/** What keeping a message costs besides its bytes, so that empty ones are not free. */
export const KEPT_MESSAGE_OVERHEAD = 256;

/** Number of bytes of sender and unique id that the overhead does not cover; 0 for ordinary ones. */
export function extraHeadLength({ address, uniqueId }: ChannelData): number {
  const length = byteLengthMember(address) + uniqueId.length;
  return Math.max(0, length - KEPT_MESSAGE_OVERHEAD);
}
