import assert from "node:assert/strict";
import test from "node:test";

import { ringOfBounds } from "./area.ts";
import { epsgCode, isInEurope, utmZone, wrapped } from "./crs.ts";

function around(longitude: number, latitude: number) {
  return ringOfBounds({
    west: longitude - 1, south: latitude - 1, east: longitude + 1, north: latitude + 1,
  });
}

test("UTM zones are those of the area's middle, in every world copy", () => {
  // Hamburg 32N, Sydney 56S, Fiji 60S and 1S on either side of 180, Bergen and Svalbard by exception.
  assert.equal(utmZone(around(10, 53.5))?.code, "EPSG:32632");
  assert.equal(utmZone(around(151, -34))?.code, "EPSG:32756");
  assert.equal(utmZone(around(179.5, -17))?.code, "EPSG:32760");
  assert.equal(utmZone(around(180.5, -17))?.code, "EPSG:32701");
  assert.equal(utmZone(around(-179.5 + 720, -17))?.code, "EPSG:32701");
  assert.equal(utmZone(around(5.3, 60.4))?.code, "EPSG:32632");
  assert.equal(utmZone(around(15.6, 78.2))?.code, "EPSG:32633");
});

test("UTM is not offered for wide areas and the poles", () => {
  assert.equal(utmZone(ringOfBounds({ west: 0, south: 0, east: 13, north: 1 })), null);
  assert.equal(utmZone(around(0, 84)), null);
});

test("Europe is known in every world copy", () => {
  assert.ok(isInEurope(around(10, 54)));
  assert.ok(isInEurope(around(370, 54)));
  assert.ok(!isInEurope(around(-70, 42)));
});

test("codes are read as people write them", () => {
  assert.equal(epsgCode("3857"), "EPSG:3857");
  assert.equal(epsgCode(" epsg: 25832 "), "EPSG:25832");
  assert.equal(epsgCode("urn:x"), null);
  assert.equal(epsgCode(""), null);
});

test("longitudes wrap at 180", () => {
  assert.deepEqual([180, 190, -190, 0, 540].map(wrapped), [-180, -170, 170, 0, -180]);
});
