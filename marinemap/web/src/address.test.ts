import assert from "node:assert/strict";
import { test } from "node:test";

import { readAddress, strangeIn, unreadIn, writeAddress, type Shared } from "./address.ts";

const NOTHING: Shared = { view: null, layers: [], shown: { order: [], names: [] }, area: null, format: null, mode: "clip", crs: null, parts: [], hasCopy: true };

test("what is written is read", () => {
  const shared: Shared = {
    view: { zoom: 5.25, latitude: 38.2, longitude: 384.5 },
    layers: ["ports", "habitat_survey"],
    shown: { order: ["ports", "habitat_survey"], names: ["ports"] },
    area: { ring: [[170, -20], [190, -20], [190, -15], [170, -15]], isRectangle: true },
    format: "geopackage",
    mode: "within",
    crs: "EPSG:3035",
    parts: [{ name: "ports", fields: ["a,b", "é&=#%+"], filter: { op: "=", args: [{ property: "a,b" }, "50 % & more"] } }],
    hasCopy: false,
  };
  const polygon = { ring: [[1, 2], [3.1234567, 2], [-0.0000001, 5]] as [number, number][], isRectangle: false };
  assert.deepEqual(readAddress(writeAddress(shared)), shared);
  assert.equal(writeAddress({ ...NOTHING, area: polygon }), "#area=1,2;3.1234567,2;0,5");
  assert.deepEqual(readAddress("#"), NOTHING);
  assert.equal(writeAddress(NOTHING), "#");
});

test("what is odd is passed over", () => {
  const odd = [
    "map=1/2", "map=99/0/0", "map=3/91/0", "map=3/NaN/0", "map=//", "map=3/1e1/2", "map=3/0/99999",
    "layers=<script>,../x,_a", "area=1,2,3", "area=5,1,5,3", "area=0,0,400,1", "area=1,2;3,4", "area=1,2;3,4;x,5",
    `area=${"1,2;".repeat(501)}1,2`, "format=a b", "crs=EPSG:1", "crs=urn:x", "mode=other", "mode=clipped", "parts=[", "parts={}", "parts=[{\"name\":\"ports\"}]", "copy=maybe", "parts=[{\"name\":\"ports\",\"fields\":[]}]", "%", "%E0%A4%A", "=&=&&",
  ];
  for (const fragment of odd) assert.deepEqual(readAddress(`#${fragment}`), NOTHING, fragment);
});

test("what is shown of layers that are not there is passed over", () => {
  const { shown } = readAddress("#layers=ports,lanes&order=wrecks,lanes,%00,ports&names=wrecks,lanes");
  assert.deepEqual(shown, { order: ["lanes", "ports"], names: ["lanes"] });
});

test("the good parts of a damaged address count", () => {
  assert.deepEqual(readAddress("#map=x&layers=ports,,%00,ports&crs=EPSG:4326"), { ...NOTHING, layers: ["ports"], crs: "EPSG:4326" });
});

test("an address is read as letters and sentences have it", () => {
  const area = { ring: [[0, 40], [5, 40], [5, 45], [0, 45]] as [number, number][], isRectangle: true };
  for (const odd of ["layers=ports&amp;area=0,40,5,45", "layers=ports&area=0,40,5,45.", "layers=ports&area=0,40,5,45)…", "layers=ports&area=0%2C40%2C5%2C45"]) {
    assert.deepEqual(readAddress(`#${odd.replace("…", ",")}`), { ...NOTHING, layers: ["ports"], area }, odd);
  }
});

test("layers are read in capitals, and in parts", () => {
  assert.deepEqual(readAddress("#layers=Ports, reefs&layers=LANES").layers, ["ports", "reefs", "lanes"]);
});

test("bounds whose west is greater than their east go over 180 degrees", () => {
  const ring = [[170, -10], [190, -10], [190, 10], [170, 10]];
  assert.deepEqual(readAddress("#area=170,-10,-170,10").area, { ring, isRectangle: true });
});

test("what is there and cannot be read is named", () => {
  assert.deepEqual(unreadIn("#area=0,40;5,45;6&crs=EPSG:&parts=%5B%7B%22name"), ["area", "crs", "parts"]);
  assert.deepEqual(unreadIn('#map=x&area=0,40,5,45&crs=EPSG:4326&parts=[{"name":"ports","fields":["a"]}]'), []);
  assert.deepEqual(unreadIn("#area=&layers=%00&format=a b&mode=cut"), ["layers", "format", "mode"]);
  assert.deepEqual(unreadIn("#layers=ports,<img src=x>&area=180,-10,-180,10"), ["layers", "area"]);
  assert.deepEqual(unreadIn("#layers=&layers=Ports,,ports"), []);
  assert.deepEqual(unreadIn("#format=csv&mode=clip"), []);
  assert.deepEqual(unreadIn("#format=csv&mode=within"), []);
});

test("what means nothing here is named, once, whatever it holds", () => {
  assert.deepEqual(strangeIn("#map=3/1/2&layer=ports&crs=EPSG:4326&layer=reefs&zoom=5"), ["layer", "zoom"]);
  // The way past the map, and what is left of a damaged address.
  for (const usual of ["#order", "#", "#layers=&&=5&%E0%A4%A", "#area=0,40,5,45&amp;copy=no"]) assert.deepEqual(strangeIn(usual), [], usual);
  assert.equal(strangeIn(`#${"a".repeat(500)}=1&b=1&c=1&d=1&e=1&f=1`).join().length, 40 + 8);
});
