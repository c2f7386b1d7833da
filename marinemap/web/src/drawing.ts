/** The area on the map: drawn as a rectangle or polygon, reshaped, cleared. */

import Feature from "ol/Feature.js";
import type Map from "ol/Map.js";
import type { Extent } from "ol/extent.js";
import MultiPoint from "ol/geom/MultiPoint.js";
import Polygon, { fromExtent } from "ol/geom/Polygon.js";
import Draw from "ol/interaction/Draw.js";
import Modify from "ol/interaction/Modify.js";
import VectorLayer from "ol/layer/Vector.js";
import { transform } from "ol/proj.js";
import VectorSource from "ol/source/Vector.js";
import Style from "ol/style/Style.js";

import type { Position, Ring } from "./antimeridian.ts";
import { ringOfBounds, type Bounds } from "./area.ts";
import { MERCATOR_LIMIT } from "./map.ts";
import { RectangleInteraction } from "./rectangle.ts";
import { areaStyles, corner, sketchStyles } from "./symbols.ts";

export type Tool = "rectangle" | "polygon";

export interface DrawnArea {
  /** Corners in degrees; longitudes run on beyond 180 where the map repeats. */
  ring: Ring;
  isRectangle: boolean;
}

export interface DrawingEvents {
  onArea: (area: DrawnArea | null) => void;
  onTool: (tool: Tool | null) => void;
}

const AREA_LEVEL = 10;
const FINISH_PIXELS = 12;

export class AreaDrawing {
  readonly #map: Map;
  readonly #events: DrawingEvents;
  readonly #feature = new Feature<Polygon>();
  readonly #rectangles: RectangleInteraction;
  readonly #modify: Modify;
  #draw: Draw | null = null;
  #area: DrawnArea | null = null;
  #tool: Tool | null = null;

  constructor(map: Map, events: DrawingEvents) {
    this.#map = map;
    this.#events = events;
    const source = new VectorSource({ features: [this.#feature] });
    const cornerStyle = new Style({ image: corner, geometry: () => this.#corners() });
    map.addLayer(new VectorLayer({ source, style: [...areaStyles, cornerStyle], zIndex: AREA_LEVEL }));
    this.#modify = new Modify({ source, style: sketchStyles });
    this.#modify.on("modifyend", () => this.#takePolygon(this.#feature.getGeometry()!));
    this.#rectangles = new RectangleInteraction({
      onSketch: (extent) => this.#feature.setGeometry(fromExtent(extent)),
      onFinish: (extent) => this.#takeRectangle(extent),
    });
    map.addInteraction(this.#modify);
    map.addInteraction(this.#rectangles);
    this.#allowReshaping();
  }

  get tool(): Tool | null {
    return this.#tool;
  }

  start(tool: Tool): void {
    this.cancel();
    this.#setTool(tool);
    if (tool === "rectangle") {
      this.#rectangles.start();
    } else {
      this.#startPolygon();
    }
    this.#allowReshaping();
  }

  /** Leave drawing; an area that was there before stays. */
  cancel(): void {
    if (this.#draw) this.#map.removeInteraction(this.#draw);
    this.#draw = null;
    this.#rectangles.stop();
    this.#setTool(null);
    this.#showArea();
    this.#allowReshaping();
  }

  undoCorner(): void {
    this.#draw?.removeLastPoint();
  }

  clear(): void {
    this.#area = null;
    this.cancel();
    this.#events.onArea(null);
  }

  /** Set the area to a rectangle given in degrees, with exactly these corners. */
  setBounds(bounds: Bounds): void {
    this.#finish({ ring: ringOfBounds(bounds), isRectangle: true });
  }

  setArea(area: DrawnArea): void {
    this.#finish(area);
  }

  #startPolygon(): void {
    const draw = new Draw({ type: "Polygon", style: sketchStyles, snapTolerance: FINISH_PIXELS });
    draw.on("drawstart", () => this.#feature.setGeometry(undefined));
    draw.on("drawend", ({ feature }) => this.#takePolygon(feature.getGeometry() as Polygon));
    this.#map.addInteraction(draw);
    this.#draw = draw;
  }

  #takePolygon(polygon: Polygon): void {
    const corners = polygon.getCoordinates()[0]!.slice(0, -1);
    this.#finish({ ring: corners.map(([x, y]) => degrees(x!, y!)), isRectangle: false });
  }

  #takeRectangle([minX, minY, maxX, maxY]: Extent): void {
    const [west, south] = degrees(minX!, minY!);
    const [east, north] = degrees(maxX!, maxY!);
    // Pulled over the edge of the world copy next door, it would hold a place twice.
    this.#finish({ ring: ringOfBounds({ west, south, east: Math.min(east, west + 360), north }), isRectangle: true });
  }

  #finish(area: DrawnArea): void {
    this.#area = area;
    this.#events.onArea(area);
    // The click that ends a drawing may be the second of a double click, which the
    // map still has to offer to the interaction: without the wait it would zoom.
    setTimeout(() => this.cancel());
  }

  #showArea(): void {
    const area = this.#area;
    this.#feature.setGeometry(area ? new Polygon([mercatorRing(area.ring)]) : undefined);
    this.#rectangles.setFinished(area?.isRectangle ? this.#feature.getGeometry()!.getExtent() : null);
  }

  #allowReshaping(): void {
    this.#modify.setActive(this.#tool === null && this.#area !== null && !this.#area.isRectangle);
  }

  #setTool(tool: Tool | null): void {
    this.#tool = tool;
    this.#map.getTargetElement()?.classList.toggle("drawing", tool !== null);
    this.#events.onTool(tool);
  }

  #corners(): MultiPoint | undefined {
    const ring = this.#feature.getGeometry()?.getCoordinates()[0];
    return ring && new MultiPoint(ring.slice(0, -1));
  }
}

// Unlike toLonLat of OpenLayers this keeps the world copy that was drawn in.
function degrees(x: number, y: number): Position {
  const [longitude, latitude] = transform([x, y], "EPSG:3857", "EPSG:4326");
  return [longitude!, latitude!];
}

function mercatorRing(ring: Ring): number[][] {
  return [...ring, ring[0]!].map(([longitude, latitude]) => {
    const shown = Math.max(-MERCATOR_LIMIT, Math.min(MERCATOR_LIMIT, latitude));
    return transform([longitude, shown], "EPSG:4326", "EPSG:3857");
  });
}
