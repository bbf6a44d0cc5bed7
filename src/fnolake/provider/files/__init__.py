"""Files that users own already: their layouts, their symbols, and a reader that yields raw rows. Nothing is asked of a network."""
