"""Keys that really encrypt, sign and authenticate."""
