"""Images to regions: backbones, image preparation, extraction that can be interrupted. Imports `features`."""
