"""Container repositories: manifests, tags and layers."""
