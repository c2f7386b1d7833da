// Lists, describes, reads, pages and finds the tiles of a layer; prints what it found as JSON.
import { OgcApiEndpoint } from "@camptocamp/ogc-client";

const [api, layer] = process.argv.slice(2);
const endpoint = new OgcApiEndpoint(`${api}/`);
const pages = [];
for (let offset = 0; offset < 6; offset += 2) {
  pages.push(...(await endpoint.getCollectionItems(layer, 2, offset)));
}
const info = await endpoint.getCollectionInfo(layer);
console.log(
  JSON.stringify({
    title: (await endpoint.info).title,
    layers: (await endpoint.allCollections).map(({ name }) => name),
    queryables: info.queryables.map(({ name }) => name),
    formats: info.itemFormats,
    numbers: pages.map(({ properties }) => properties.n),
    alone: (await endpoint.getCollectionItem(layer, String(pages[0].id))).properties,
  }),
);
