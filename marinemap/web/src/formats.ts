/** The formats that the service writes, as it describes them. */

import { declared, t } from "./words.ts";

export interface Format {
  /** As the service calls it. */
  id: string;
  title: string;
  /** What it holds and loses, in a sentence or two. */
  about: string;
  /** Always longitude and latitude in degrees, so that there is no coordinate system to choose. */
  onlyDegrees: boolean;
}

/** The part of a process description that tells of formats: a schema for each (OpenAPI 3.0). */
export interface FormatChoices {
  inputs: {
    format: {
      schema: { oneOf: FormatSchema[] };
      additionalParameters: { parameters: { name: string }[] };
    };
  };
}

interface FormatSchema {
  enum: [id: string];
  title: string;
  description: string;
}

/** The one format that is there before the service has told of others. */
export const SHAPEFILE: Format = { id: "shapefile", title: "Shapefile", about: "", onlyDegrees: false };

export function formatsIn(description: FormatChoices): Format[] {
  const { schema, additionalParameters } = description.inputs.format;
  const inDegrees = new Set(additionalParameters.parameters.map(({ name }) => name));
  return schema.oneOf.map((schema) => ({
    id: schema.enum[0],
    title: declared(schema.title),
    about: declared(schema.description),
    onlyDegrees: inDegrees.has(schema.enum[0]),
  }));
}

/** What the button promises: "shapefiles", "file geodatabase", but "GeoPackage". */
export function filesOf({ id, title }: Format): string {
  if (id === SHAPEFILE.id) return t("shapefiles");
  const isName = /[A-Z]/.test(title.slice(1));
  return isName ? title : title.toLowerCase();
}
