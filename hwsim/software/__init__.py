"""Software as data: how a framework of some years runs a graph, and where every fact is from."""
