"""Security tokens: who is calling, and temporary credentials."""
