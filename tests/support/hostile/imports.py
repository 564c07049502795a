"""All data sets of the table."""

from tests.support.hostile.import_files import FILES
from tests.support.hostile.import_labels import LABELS
from tests.support.hostile.import_rows import CLASSES, ImportRow, lay_good

__all__ = ["CLASSES", "IMPORTS", "ImportRow", "lay_good"]
IMPORTS = [*LABELS, *FILES]
