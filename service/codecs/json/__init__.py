"""JSON to arrays and arrays to JSON without a Python object for each number.

Numbers go from the bytes through simdjson into a buffer; orjson writes them in the shortest form that reads back to
the same float. Whatever is not a plain rectangle of numbers (`"NaN"` and its like, strings, booleans, a mistake) takes
the slow way, which knows where each element stands. NaN and the infinities are strings both ways, as in the proto3
JSON mapping (https://protobuf.dev/programming-guides/json/).
"""

from service.codecs.json.reading import (
    Document,
    arrays_in,
    begins_with_object,
    flat,
    is_array,
    matrix,
    members,
    parse,
    plain,
    understood,
)
from service.codecs.json.writing import GAP, dumps, fragment, gap, rows, written

__all__ = [
    "GAP",
    "Document",
    "arrays_in",
    "begins_with_object",
    "dumps",
    "flat",
    "fragment",
    "gap",
    "is_array",
    "matrix",
    "members",
    "parse",
    "plain",
    "rows",
    "understood",
    "written",
]
