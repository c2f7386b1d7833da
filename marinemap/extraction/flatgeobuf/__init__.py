"""FlatGeobuf on a server: its packed R-tree is walked, and features fetched, by ranges."""
