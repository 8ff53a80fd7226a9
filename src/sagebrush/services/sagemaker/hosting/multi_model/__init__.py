"""Many models behind one container: fetched, loaded, kept and given up as requests ask for them."""
