import assert from "node:assert/strict";
import test from "node:test";

import { byTheme, inOrder, isMeant, mayTouch } from "./layerorder.ts";

test("a layer is meant by the beginnings of its words, without accents and case", () => {
  const layer = { id: "reefs_2024", title: "Récifs de corail", description: "Habitats of the survey" };
  for (const text of ["", "recif", "CORAIL réc", "2024", "survey habitat"]) assert.ok(isMeant(layer, text), text);
  for (const text of ["orail", "recif port"]) assert.ok(!isMeant(layer, text), text);
});

test("a layer touches an area in whichever copy of the world", () => {
  const layer = { id: "a", title: "A", extent: { spatial: { bbox: [[170, -10, -170, 10]] as [number, number, number, number][] } } };
  assert.ok(mayTouch(layer, { west: -175, south: 0, east: -172, north: 5 }));
  assert.ok(mayTouch(layer, { west: 175, south: 0, east: 185, north: 5 }));
  assert.ok(!mayTouch(layer, { west: 0, south: 0, east: 10, north: 5 }));
  assert.ok(!mayTouch(layer, { west: 175, south: 11, east: 185, north: 15 }));
  assert.ok(mayTouch({ id: "b", title: "B" }, { west: 0, south: 0, east: 1, north: 1 }));
});

test("layers stand below their themes: those near first, those without any last", () => {
  const layers = [["a", ""], ["b", "Wrecks"], ["c", "Habitats"], ["d", "Habitats"], ["e", "Birds"]].map(([id, theme]) => ({ id, collection: theme ? { theme } : {} }));
  const ordered = (far: string): string[] => byTheme(layers, ({ id }) => far.includes(id!)).map(({ theme, members }) => `${theme}: ${members.map(({ id }) => id).join()}`);
  assert.deepEqual(ordered(""), ["Birds: e", "Habitats: c,d", "Wrecks: b", ": a"]);
  assert.deepEqual(ordered("de"), ["Habitats: c,d", "Wrecks: b", "Birds: e", ": a"]);
  assert.deepEqual(byTheme([], () => false), []);
});

test("layers stand as words do, whatever their first letter is", () => {
  const titles = ["Shipping lanes", "Zones", "greek islands", "Ärmelkanal", "Layer 10", "Layer 9"];
  const sorted = inOrder(titles.map((title) => ({ title }))).map(({ title }) => title);
  assert.deepEqual(sorted, ["Ärmelkanal", "greek islands", "Layer 9", "Layer 10", "Shipping lanes", "Zones"]);
});

test("layers that were placed stand first, and so do their themes", () => {
  const layers = [["a", undefined], ["b", 2], ["c", 0], ["d", undefined], ["e", 2]].map(([title, position]) => ({ title: String(title), ...(position !== undefined && { position: Number(position) }) }));
  assert.deepEqual(inOrder(layers).map(({ title }) => title), ["c", "b", "e", "a", "d"]);
  const themed = [["Birds", undefined], ["Wrecks", 5], ["Habitats", 7], ["Habitats", undefined], ["", 1]].map(([theme, position]) => ({ collection: { theme: String(theme), ...(position !== undefined && { position: Number(position) }) } }));
  assert.deepEqual(byTheme(themed, () => false).map(({ theme }) => theme), ["Wrecks", "Habitats", "Birds", ""]);
});
