"""Attribution: maps of what decides a network's output, and how faithful these maps are."""
