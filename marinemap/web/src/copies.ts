/** A wide map shows parts of the world twice: what is drawn of a tile for one copy serves the others. */

import type VectorRenderTile from "ol/VectorRenderTile.js";
import type VectorTileLayer from "ol/layer/VectorTile.js";
import type { BuilderType } from "ol/render/canvas.js";
import { getUid } from "ol/util.js";

type Renderer = ReturnType<VectorTileLayer["createRenderer"]>;

/** What OpenLayers' renderer does for one tile, and which tiles it has drawn in this frame. */
interface Inner {
  renderedTiles: VectorRenderTile[];
  updateExecutorGroup_: (tile: VectorRenderTile, ...rest: unknown[]) => void;
  renderTileImage_: (tile: VectorRenderTile, ...rest: unknown[]) => void;
}

interface Group {
  hasExecutors: (kinds: BuilderType[]) => boolean;
}

/** Drawn anew with each frame, from what belongs to one place: not to be shared. */
const OF_ONE_PLACE: BuilderType[] = ["Image", "Text", "Default"];

/** Have a renderer draw the areas and lines of a tile once for all copies of the world in view. */
export function shareCopies(renderer: Renderer, layer: VectorTileLayer): void {
  const inner = renderer as unknown as Inner;
  const { updateExecutorGroup_: prepare, renderTileImage_: paint } = inner;
  const uid = getUid(layer);
  const groupsOf = (tile: VectorRenderTile): Group[] | undefined => tile.executorGroups[uid];
  const twinOf = (tile: VectorRenderTile): VectorRenderTile | undefined => inner.renderedTiles.find((each) => isTwin(each, tile));

  inner.updateExecutorGroup_ = (tile, ...rest) => {
    const twin = twinOf(tile);
    const groups = twin && groupsOf(twin);
    if (!twin || !groups || groups.some((group) => group.hasExecutors(OF_ONE_PLACE))) return prepare.call(renderer, tile, ...rest);
    tile.executorGroups[uid] = twin.executorGroups[uid]!;
    const { dirty, renderedRevision, renderedPixelRatio, renderedRenderOrder, renderedResolution } = twin.getReplayState(layer);
    Object.assign(tile.getReplayState(layer), { dirty, renderedRevision, renderedPixelRatio, renderedRenderOrder, renderedResolution });
  };
  inner.renderTileImage_ = (tile, ...rest) => {
    const twin = twinOf(tile);
    const image = twin?.getImage();
    if (!twin || !image || groupsOf(twin) !== groupsOf(tile)) return paint.call(renderer, tile, ...rest);
    const context = tile.getContext();
    Object.assign(context.canvas, { width: image.width, height: image.height });
    context.drawImage(image, 0, 0);
    const { renderedTileRevision, renderedTileResolution } = twin.getReplayState(layer);
    Object.assign(tile.getReplayState(layer), { renderedTileRevision, renderedTileResolution });
  };
}

/** Whether a tile shows the same place in another copy of the world, at the same scale. */
function isTwin(one: VectorRenderTile, other: VectorRenderTile): boolean {
  return (
    one !== other &&
    one.wantedResolution === other.wantedResolution &&
    one.wrappedTileCoord.join() === other.wrappedTileCoord.join() &&
    one.sourceTiles.length === other.sourceTiles.length &&
    one.sourceTiles.every((tile, index) => tile === other.sourceTiles[index])
  );
}
