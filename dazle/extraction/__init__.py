"""From images to region features: backbones, image preparation, resumable extraction. Imports `features`."""
