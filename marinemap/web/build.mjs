/** Builds what the site serves of the page into static/: `npm run build`, or `npm run watch`. */

import { relative } from "node:path";

import { build, context } from "esbuild";

/**
 * Parts of libraries that nothing here comes to, though others import them: what stands in for
 * each. Whoever comes to one after all is told so.
 */
const LEFT_OUT = {
  // Tiles of pictures, which ol-pmtiles could show.
  "ol/source/DataTile.js": "export default class DataTileSource { constructor() { leftOut(); } }",
  // Tiles in another CRS than the map.
  "ol/reproj/Tile.js": "export default class ReprojTile { constructor() { leftOut(); } }",
  // Styles written as JSON; those of this page are functions.
  "ol/render/canvas/style.js": "export { leftOut as flatStyleLikeToStyleFunction };",
  // A layer's own getFeatures(); features at a place are asked of the map.
  "ol/render/canvas/hitdetect.js":
    "export { leftOut as createHitDetectionImageData, leftOut as hitDetect }; export const HIT_DETECT_RESOLUTION = 1;",
  // Unpacking drawings where the browser cannot do it; all have learnt it by 2023.
  "fflate/esm/browser.js": "export { leftOut as decompressSync };",
  // A map that brings its own buttons.
  "ol/control/defaults.js": "export { leftOut as defaults };",
};

const leavingOut = {
  name: "leaving out",
  setup({ onStart, onLoad, onEnd }) {
    const met = new Set();
    onStart(() => met.clear());
    onLoad({ filter: /\/node_modules\/(ol|fflate)\// }, ({ path }) => {
      const name = relative("node_modules", path).replaceAll("\\", "/");
      if (!(name in LEFT_OUT)) return undefined;
      met.add(name);
      return { contents: `function leftOut() { throw new Error("${name} is left out by build.mjs"); }\n${LEFT_OUT[name]}` };
    });
    onEnd(() => ({ errors: Object.keys(LEFT_OUT).filter((name) => !met.has(name)).map((name) => ({ text: `nothing imports ${name} any more: take it out of build.mjs` })) }));
  },
};

const options = {
  entryPoints: { page: "src/main.ts", pagemap: "src/pagemap/main.ts", icon: "src/icon.svg", seas: "src/seas.json" },
  outdir: "static/marinemap",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".svg": "copy", ".json": "copy" },
  logLevel: "warning",
  plugins: [leavingOut],
};

if (process.argv.includes("--watch")) await (await context({ ...options, sourcemap: "inline" })).watch();
else await build(options);
