"""Methods other than DAZLE, one file each; they import `dazle.training` and nothing of the rooms above."""
