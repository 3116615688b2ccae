"""Inputs that are wrong, by group of the catalogue that the rules for them come from."""

from bad_inputs.configuration import CONFIGURATION
from bad_inputs.embeddings import EMBEDDINGS
from bad_inputs.files import FILES
from bad_inputs.folders import FOLDERS
from bad_inputs.labels import LABELS
from bad_inputs.splits import SPLITS
from bad_inputs.texts import TEXTS

CASES = [*FILES, *LABELS, *TEXTS, *SPLITS, *EMBEDDINGS, *CONFIGURATION, *FOLDERS]
