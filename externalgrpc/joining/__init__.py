"""Let machines into the cluster and see them out, where the cluster is known."""
