"""Brain and behaviour alignment: how close the geometry of layers and heads is to people's."""
