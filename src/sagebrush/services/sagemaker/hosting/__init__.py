"""What models, endpoint configurations and endpoints share, and how endpoints come up."""
