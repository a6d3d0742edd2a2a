"""What a training reads: the feature set, its file, splits, word vectors. Imports no other room."""
