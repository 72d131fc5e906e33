"""SDK v1's names for how files are read (``azureml.data.dataset_type_definitions``)."""

from enum import Enum


class PromoteHeadersBehavior(Enum):
    """Which first rows of files are the names of columns."""

    NO_HEADERS = 0
    ONLY_FIRST_FILE_HAS_HEADERS = 1
    COMBINE_ALL_FILES_HEADERS = 2
    ALL_FILES_HAVE_SAME_HEADERS = 3


class SkipLinesBehavior(Enum):
    """Of which files first rows are skipped. Nothing takes it any more."""

    NO_ROWS = 0
    FROM_FIRST_FILE_ONLY = 1
    FROM_ALL_FILES = 2


class FileEncoding(Enum):
    """The encodings of files, which are given as texts: ``utf8``."""

    UTF8 = 0
    ISO88591 = 1
    LATIN1 = 2
    ASCII = 3
    UTF16 = 4
    UTF32 = 5
    UTF8BOM = 6
    WINDOWS1252 = 7


class FileType(Enum):
    """Kinds of files. Nothing takes it any more."""

    GENERIC_CSV = "GenericCSV"
    GENERIC_CSV_NO_HEADER = "GenericCSVNoHeader"
    GENERIC_TSV = "GenericTSV"
    GENERIC_TSV_NO_HEADER = "GenericTSVNoHeader"
    ZIP = "Zip"
    UNKNOWN = "Unknown"


class HistogramCompareMethod(Enum):
    """How two profiles were compared. Nothing takes it any more."""

    WASSERSTEIN = 0
    ENERGY = 1
