"""Users, roles, groups, policies, keys and the simulation of policies."""
