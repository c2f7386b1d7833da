"""One extraction by several processes: pieces of a layer made by others, the files by one."""
