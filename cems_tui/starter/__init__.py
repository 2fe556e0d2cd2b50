"""The recipe of the embedded starter pack: scenes, training, packing, verification."""
