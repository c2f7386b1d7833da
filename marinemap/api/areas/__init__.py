"""Areas that are asked for by an id: uploaded by a person, or named in a layer."""
