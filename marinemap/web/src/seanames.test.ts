import assert from "node:assert/strict";
import test from "node:test";

import { seasMeant } from "./seanames.ts";

test("a sea is found by the beginnings of its words, without accents and case", () => {
  const seas = ["Aegean Sea", "Ionian Sea", "Golfe du Lion", "Ägäisches Meer"].map((title) => ({ title, longitude: 0, latitude: 0, zoom: 5 }));
  const found = (text: string): string[] => seasMeant(seas, text).map(({ title }) => title);
  assert.deepEqual(found("aeg"), ["Aegean Sea"]);
  assert.deepEqual(found("SEA io"), ["Ionian Sea"]);
  assert.deepEqual(found("agais"), ["Ägäisches Meer"]);
  assert.deepEqual(found("gean"), []);
});
