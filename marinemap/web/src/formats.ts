/** The formats that the service writes, by names people know. */

export interface Format {
  /** As the service calls it. */
  id: string;
  /** What the button promises. */
  files: string;
  /** Always longitude and latitude in degrees, so that there is no coordinate system to choose. */
  onlyDegrees: boolean;
}

export const SHAPEFILE = "shapefile";

const FORMATS: Format[] = [
  { id: SHAPEFILE, files: "shapefiles", onlyDegrees: false },
  { id: "geopackage", files: "GeoPackage", onlyDegrees: false },
  { id: "geojson", files: "GeoJSON", onlyDegrees: true },
  { id: "flatgeobuf", files: "FlatGeobuf", onlyDegrees: false },
  { id: "csv", files: "CSV", onlyDegrees: false },
  { id: "kml", files: "KML", onlyDegrees: true },
  { id: "geoparquet", files: "GeoParquet", onlyDegrees: false },
  { id: "filegdb", files: "file geodatabase", onlyDegrees: false },
];

export function formatOf(id: string): Format {
  return FORMATS.find((format) => format.id === id) ?? FORMATS[0]!;
}
