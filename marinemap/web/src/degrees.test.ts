import assert from "node:assert/strict";
import test from "node:test";

import { latitudeInWords, longitudeInWords, parseDegrees, splitBounds } from "./degrees.ts";

test("degrees are read as people write them", () => {
  const same = ["38.5", "38,5", "38.5N", "38°30'N", "38° 30′ N", "N 38 30", "38:30:00", "38°30'00\"", "+38.5", " 38,5° "];
  for (const text of same) assert.equal(parseDegrees(text, "latitude"), 38.5, text);
  const west = ["-10.25", "−10.25", "–10,25", "‑10.25", "10.25W", "W10°15'", "10 15 0 w", "-10 15"];
  for (const text of west) assert.equal(parseDegrees(text, "longitude"), -10.25, text);
  assert.equal(parseDegrees("180", "longitude"), 180);
  assert.equal(parseDegrees("10E", "longitude"), 10);
});

test("what is no place on an axis is refused", () => {
  // East in German, west in French and Spanish.
  assert.equal(parseDegrees("10 O", "longitude"), null);
  for (const text of ["", "x", "10N", "-10W", "181", "10 60", "10 5 60", "10.5 30", "1 2 3 4", "1e2", "0x10", "E"]) {
    assert.equal(parseDegrees(text, "longitude"), null, text);
  }
  assert.equal(parseDegrees("91", "latitude"), null);
  assert.equal(parseDegrees("10E", "latitude"), null);
});

test("four bounds in one text are parted", () => {
  for (const text of ["5, 42, 10, 45", "5 42 10 45", "[5,42,10,45]", "5;42;10;45"]) {
    assert.deepEqual(splitBounds(text), ["5", "42", "10", "45"], text);
  }
  for (const text of ["5,5; 42,25; 10,1; 45,5", "5,5\t42,25\t10,1\t45,5", "5,5 42,25 10,1 45,5", "5,5, 42,25, 10,1, 45,5"]) {
    assert.deepEqual(splitBounds(text), ["5,5", "42,25", "10,1", "45,5"], text);
  }
  assert.deepEqual(splitBounds("5,5 42 10,1 45,5"), ["5,5", "42", "10,1", "45,5"]);
  for (const text of ["5 30 0 W, 42 N, 10 E, 45 N", "5 30 0 W,42 N,10 E,45 N", "5 30 0 W ,42 N ,10 E ,45 N"]) {
    assert.deepEqual(splitBounds(text), ["5 30 0 W", "42 N", "10 E", "45 N"], text);
  }
  assert.equal(splitBounds("38°30'15\"N"), null);
  assert.equal(splitBounds("5,5,42,1,10,2,45,3"), null);
  assert.equal(splitBounds("5,5"), null);
});

test("bounds are taken out of what programs put around them", () => {
  for (const text of ["BBOX(5, 42, 10, 45)", "bbox=5,42,10,45", "bbox: [5, 42, 10, 45]", " (5 42 10 45) ", "{5;42;10;45}\n"]) {
    assert.deepEqual(splitBounds(text), ["5", "42", "10", "45"], text);
  }
});

test("letters say which bound is which", () => {
  for (const text of ["50N 5W 61N 9E", "5W 50N 9E 61N", "N61 W5 N50 E9", "61N, 50N, 9E, 5W"]) {
    const read = splitBounds(text)!.map((part, index) => parseDegrees(part, index % 2 ? "latitude" : "longitude"));
    assert.deepEqual(read, [-5, 50, 9, 61], text);
  }
  assert.deepEqual(splitBounds("170E 20S 170W 10S"), ["170E", "20S", "170W", "10S"]);
  assert.deepEqual(splitBounds("10S 170E 20S 170W"), ["170E", "20S", "170W", "10S"]);
  // Where a letter is missing nobody knows better than whoever wrote it.
  assert.deepEqual(splitBounds("50N 5 61N 9"), ["50N", "5", "61N", "9"]);
});

test("lines of the graticule are named with the digits that they have", () => {
  assert.deepEqual([-12.5, 0, 0.05, 180, -180].map((degrees) => longitudeInWords(degrees)), ["12.5° W", "0°", "0.05° E", "180°", "180°"]);
  assert.deepEqual([-90, 0, 37.9].map((degrees) => latitudeInWords(degrees)), ["90° S", "0°", "37.9° N"]);
  assert.equal(longitudeInWords(0, 1), "0.0° E");
});
