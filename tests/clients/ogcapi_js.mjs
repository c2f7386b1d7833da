// Lists, reads, filters and pages; prints what it found as JSON.
import { FeatureService } from "@ogcapi-js/features";

const [api, layer] = process.argv.slice(2);
const service = new FeatureService({ baseUrl: api });
const crs = "http://www.opengis.net/def/crs/EPSG/0/4326";
const filtered = await service.getFeatures(layer, { filter: "n = 77", crs });
const first = await service.getFeatures(layer, { limit: 2, bbox: [3, 45, 3.1, 45.2] });
const next = first.links.find(({ rel }) => rel === "next");
console.log(
  JSON.stringify({
    layers: (await service.getCollections()).collections.map(({ id }) => id),
    filtered: filtered.features.map(({ properties }) => properties.name),
    first: first.features.length,
    next: (await (await fetch(next.href)).json()).features.length,
    alone: (await service.getFeature(layer, String(first.features[0].id))).id === first.features[0].id,
  }),
);
