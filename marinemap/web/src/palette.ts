/** Which colour and which mark a layer has while it is on the map. */

/**
 * Paul Tol's "muted" (SRON/EPS/TN/09-002), without the tones of sea, land and their shores.
 *
 * docs/decisions/0006-map-colours.md has the figures.
 */
export const COLOURS = ["#332288", "#cc6677", "#117733", "#999933", "#aa4499"] as const;

/** Dashes of lines and outlines, or shapes of points: 0 is plain. */
export const MARKS = [0, 1, 2, 3] as const;

export type Mark = (typeof MARKS)[number];

export interface Look {
  colour: string;
  mark: Mark;
}

const LOOKS: Look[] = MARKS.flatMap((mark) => COLOURS.map((colour) => ({ colour, mark })));

/** Return a look that none of these has; of more than there are, the one that is used least. */
export function freeLook(used: readonly Look[]): Look {
  const uses = (look: Look): number => used.filter((each) => isSame(each, look)).length;
  return LOOKS.reduce((best, look) => (uses(look) < uses(best) ? look : best));
}

export function isSame(one: Look, other: Look): boolean {
  return one.colour === other.colour && one.mark === other.mark;
}
