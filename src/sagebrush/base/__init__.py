"""What every layer may use: errors, clock, identifiers, ARNs. Standard library only."""
