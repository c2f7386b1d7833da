/** The area on the map: drawn as a rectangle, polygon or circle, reshaped, moved, cleared. */

import Collection from "ol/Collection.js";
import Feature from "ol/Feature.js";
import type Map from "ol/Map.js";
import type { Extent } from "ol/extent.js";
import type { Coordinate } from "ol/coordinate.js";
import type Geometry from "ol/geom/Geometry.js";
import MultiPoint from "ol/geom/MultiPoint.js";
import MultiPolygon from "ol/geom/MultiPolygon.js";
import Polygon, { circular, fromExtent } from "ol/geom/Polygon.js";
import Draw, { type SketchCoordType } from "ol/interaction/Draw.js";
import Modify from "ol/interaction/Modify.js";
import Translate from "ol/interaction/Translate.js";
import VectorLayer from "ol/layer/Vector.js";
import { transform } from "ol/proj.js";
import VectorSource from "ol/source/Vector.js";
import { getDistance } from "ol/sphere.js";
import Style from "ol/style/Style.js";

import { withPole, type Position, type Ring } from "./antimeridian.ts";
import { ringOfBounds, type Bounds } from "./area.ts";
import { drawn, editableRing, outlineOfChosen, type ChosenArea } from "./chosenarea.ts";
import { MERCATOR_LIMIT } from "./map.ts";
import { RectangleInteraction } from "./rectangle.ts";
import { areaStyles, corner, sketchStyles } from "./symbols.ts";

export type Tool = "rectangle" | "polygon" | "circle" | "move";

export interface DrawingEvents {
  onArea: (area: ChosenArea | null) => void;
  /** The area as it changes under the pointer. */
  onSketch: (ring: Ring) => void;
  onTool: (tool: Tool | null) => void;
}

const AREA_LEVEL = 10;
const FINISH_PIXELS = 12;
/** By an arrow key. */
const NUDGE_PIXELS = 20;
const CIRCLE_CORNERS = 64;
/** Where a geometry keeps its corners as they are on Earth. */
const IN_DEGREES = "inDegrees";

export class AreaDrawing {
  readonly #map: Map;
  readonly #events: DrawingEvents;
  readonly #feature = new Feature<MultiPolygon | Polygon>();
  readonly #rectangles: RectangleInteraction;
  readonly #modify: Modify;
  readonly #translate: Translate;
  #draw: Draw | null = null;
  #area: ChosenArea | null = null;
  #tool: Tool | null = null;

  constructor(map: Map, events: DrawingEvents) {
    this.#map = map;
    this.#events = events;
    const source = new VectorSource({ features: [this.#feature] });
    const cornerStyle = new Style({ image: corner, geometry: () => this.#corners() });
    map.addLayer(new VectorLayer({ source, style: [...areaStyles, cornerStyle], zIndex: AREA_LEVEL }));
    this.#modify = new Modify({ source, style: sketchStyles });
    this.#modify.on("modifyend", () => this.#finish(drawn(ringIn(this.#feature.getGeometry()!))));
    this.#translate = new Translate({ features: new Collection([this.#feature]) });
    this.#translate.on("translateend", () => this.#finishMove());
    this.#rectangles = new RectangleInteraction({
      onSketch: (extent) => this.#sketch(fromExtent(extent)),
      onFinish: (extent) => this.#takeRectangle(extent),
    });
    [this.#modify, this.#translate, this.#rectangles].forEach((interaction) => map.addInteraction(interaction));
    this.#allowReshaping();
  }

  get tool(): Tool | null {
    return this.#tool;
  }

  start(tool: Tool): void {
    this.cancel();
    this.#setTool(tool);
    if (tool === "rectangle") this.#rectangles.start();
    if (tool === "polygon") this.#startDraw(new Draw({ type: "Polygon", style: sketchStyles, snapTolerance: FINISH_PIXELS }));
    if (tool === "circle") this.#startDraw(new Draw({ type: "Circle", style: sketchStyles, geometryFunction: circleAround }));
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
    this.#finish(drawn(ringOfBounds(bounds)));
  }

  setArea(area: ChosenArea): void {
    this.#finish(area);
  }

  /** Move the area by a step, right and up. */
  nudge(right: number, up: number): void {
    const pixel = this.#map.getView().getResolution() ?? 1;
    this.#feature.getGeometry()?.translate(right * NUDGE_PIXELS * pixel, up * NUDGE_PIXELS * pixel);
    this.#finishMove();
  }

  #startDraw(draw: Draw): void {
    draw.on("drawstart", ({ feature }) => {
      this.#feature.setGeometry(undefined);
      const geometry = feature.getGeometry() as Polygon;
      geometry.on("change", () => this.#events.onSketch(ringIn(geometry)));
    });
    draw.on("drawend", ({ feature }) => this.#finish(drawn(ringIn(feature.getGeometry() as Polygon))));
    this.#map.addInteraction(draw);
    this.#draw = draw;
  }

  #sketch(polygon: Polygon): void {
    this.#feature.setGeometry(polygon);
    this.#events.onSketch(ringIn(polygon));
  }

  #finishMove(): void {
    const ring = editableRing(this.#area);
    const polygon = this.#feature.getGeometry();
    if (ring && polygon) this.#finish(drawn(movedAs(polygon, ring)));
  }

  #takeRectangle([minX, minY, maxX, maxY]: Extent): void {
    const [west, south] = degrees(minX!, minY!);
    const [east, north] = degrees(maxX!, maxY!);
    // Pulled over the edge of the world copy next door, it would hold a place twice.
    this.#finish(drawn(ringOfBounds({ west, south, east: Math.min(east, west + 360), north })));
  }

  #finish(area: ChosenArea): void {
    this.#area = area;
    this.#events.onArea(area);
    // Who moves it by keys goes on, where another that came in its place can be moved.
    if (this.#tool === "move" && editableRing(area)) return this.#showArea();
    // The click that ends a drawing may be the second of a double click, which the
    // map still has to offer to the interaction: without the wait it would zoom.
    setTimeout(() => this.cancel());
  }

  #showArea(): void {
    const area = this.#area;
    const isRectangle = area?.kind === "drawn" && area.isRectangle;
    this.#feature.setGeometry(area ? shown(area) : undefined);
    this.#rectangles.setFinished(isRectangle ? this.#feature.getGeometry()!.getExtent() : null);
  }

  #allowReshaping(): void {
    const area = this.#area;
    const hasCorners = editableRing(area) !== null && !(area?.kind === "drawn" && area.isRectangle);
    this.#modify.setActive(this.#tool === null && hasCorners);
    this.#translate.setActive(this.#tool === "move");
  }

  #setTool(tool: Tool | null): void {
    this.#tool = tool;
    this.#map.getTargetElement()?.classList.toggle("drawing", tool !== null);
    this.#events.onTool(tool);
  }

  #corners(): MultiPoint | undefined {
    const geometry = this.#feature.getGeometry();
    // None where they cannot be pulled at; a coast would be nothing but corners.
    const isShown = geometry instanceof Polygon && (this.#tool !== null || editableRing(this.#area) !== null);
    return isShown ? new MultiPoint(geometry.getCoordinates()[0]!.slice(0, -1)) : undefined;
  }
}

/** As it is drawn: one ring is a polygon, whose corners may be pulled at. */
function shown(area: ChosenArea): MultiPolygon | Polygon {
  const polygons = outlineOfChosen(area).map((rings) => rings.map(mercatorRing));
  return polygons.length === 1 ? new Polygon(polygons[0]!) : new MultiPolygon(polygons);
}

function ringIn(geometry: Geometry): Ring {
  return (geometry.get(IN_DEGREES) as Ring | undefined) ?? (geometry as Polygon).getCoordinates()[0]!.slice(0, -1).map(([x, y]) => degrees(x!, y!));
}

/** A ring, moved as what the map shows of it was: beyond its edge it reaches as far as before. */
function movedAs(shown: MultiPolygon | Polygon, ring: Ring): Ring {
  const [before, after] = [mercatorRing(ring)[0]!, shown.getFirstCoordinate()];
  return ring.map(([longitude, latitude]) => {
    const isPole = Math.abs(latitude) === 90;
    const [x, y] = mercator([longitude, isPole ? 0 : latitude]);
    const [movedLongitude, movedLatitude] = degrees(x! + after[0]! - before[0]!, y! + after[1]! - before[1]!);
    return [movedLongitude, isPole ? latitude : movedLatitude];
  });
}

/** All that is as far from the middle, on the ground, as a second place. */
function circleAround(places: SketchCoordType, sketch?: Geometry): Polygon {
  const [middle, edge] = (places as Coordinate[]).map(([x, y]) => degrees(x!, y!)) as [Position, Position];
  const around = circular(middle, Math.max(1, getDistance(middle, edge)), CIRCLE_CORNERS).getCoordinates()[0]!;
  const ring = withPole(around.slice(0, -1) as Ring, middle);
  const polygon = (sketch as Polygon | undefined) ?? new Polygon([]);
  // The map ends before the poles.
  polygon.set(IN_DEGREES, ring, true);
  polygon.setCoordinates([mercatorRing(ring)]);
  return polygon;
}

// Unlike toLonLat of OpenLayers this keeps the world copy that was drawn in.
function degrees(x: number, y: number): Position {
  const [longitude, latitude] = transform([x, y], "EPSG:3857", "EPSG:4326");
  return [longitude!, latitude!];
}

function mercatorRing(ring: Ring): number[][] {
  return [...ring, ring[0]!].map(([longitude, latitude]) => {
    const shown = Math.max(-MERCATOR_LIMIT, Math.min(MERCATOR_LIMIT, latitude));
    return mercator([longitude, shown]);
  });
}

function mercator(place: Position): number[] {
  return transform(place, "EPSG:4326", "EPSG:3857");
}
