import assert from "node:assert/strict";
import { test } from "node:test";

import { filesOf, formatsIn, SHAPEFILE } from "./formats.ts";

const CHOICES = {
  inputs: {
    format: {
      schema: {
        oneOf: [
          { enum: ["filegdb"] as [string], title: "File geodatabase", description: "A folder." },
          { enum: ["kml"] as [string], title: "KML", description: "For globes." },
        ],
      },
      additionalParameters: { parameters: [{ name: "kml" }] },
    },
  },
};

test("formats are read from the description of a process", () => {
  assert.deepEqual(formatsIn(CHOICES), [
    { id: "filegdb", title: "File geodatabase", about: "A folder.", onlyDegrees: false },
    { id: "kml", title: "KML", about: "For globes.", onlyDegrees: true },
  ]);
});

test("the button names files as a sentence would", () => {
  assert.deepEqual(formatsIn(CHOICES).map(filesOf), ["file geodatabase", "KML"]);
  assert.equal(filesOf(SHAPEFILE), "shapefiles");
});
