"""JSON in and out against the standard library, and every trap of the parser underneath."""

from __future__ import annotations

import json as plain_json
import math
import re
import struct
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import simdjson
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.codecs import elements, json
from service.codecs.json import reading
from service.errors import BadBody, TooLarge, Unfit
from service.tensors import BY_NAME, Array

FP32_MAX = 3.4028234663852886e38


def read(text: str | bytes, datatype: str = "FP32") -> Array:
    body = b'{"t":%s}' % (text.encode() if isinstance(text, str) else text)
    document = json.parse(body)
    return document.tensor(document.fields["t"], BY_NAME[datatype], "t")


def written(array: Array) -> str:
    return json.dumps({"t": json.fragment(array)}).decode()[5:-1]


# --- numbers without objects ------------------------------------------------------------------------------------------


def test_rectangle_of_numbers_makes_no_object_per_number() -> None:
    body = b'{"instances":[%s]}' % b",".join(b"[%s]" % b",".join([b"1234.5"] * 784) for _ in range(64))
    before = sys.getallocatedblocks()
    document = json.parse(body)
    found = document.tensor(document.fields["instances"], BY_NAME["FP32"], "instances")
    assert sys.getallocatedblocks() - before < 64 * 784 / 10
    assert isinstance(document.fields["instances"], simdjson.Array)
    assert found.shape == (64, 784)
    assert found.flags.c_contiguous
    assert (found == np.float32(1234.5)).all()


def test_members_of_an_instance_stay_unparsed() -> None:
    fields = json.parse(b'{"inputs": {"a": [1, 2]}}').fields
    members = json.members(fields["inputs"])
    assert members is not None
    assert isinstance(members["a"], simdjson.Array)


def test_more_elements_than_the_parser_counts_are_all_read() -> None:
    count = 0xFFFFFF + 2
    found = read(b"[" + b"0," * (count - 1) + b"7]", "FP32")
    assert found.shape == (count,)
    assert found[-1] == 7


def test_more_elements_than_a_list_may_have_are_413() -> None:
    with pytest.raises(TooLarge, match=r"\.npy"):
        read(b'["a"' + b",0" * 0xFFFFFF + b"]")


def test_two_arrays_longer_than_the_parser_counts_are_413(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SATURATED", 3)
    with pytest.raises(TooLarge):
        read("[[1,2,3],[4,5,6]]")


# --- shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("5", ()),
        ("[]", (0,)),
        ("[[]]", (1, 0)),
        ("[[],[]]", (2, 0)),
        ("[[[]],[[]]]", (2, 1, 0)),
        ("[1]", (1,)),
        ("[[1,2,3],[4,5,6]]", (2, 3)),
        ("[" * 32 + "1" + "]" * 32, (1,) * 32),
    ],
)
def test_shape_of_nesting_is_kept(text: str, shape: tuple[int, ...]) -> None:
    assert read(text).shape == shape
    assert np.array_equal(read(text), np.array(plain_json.loads(text), np.float32))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[[1,2,3],[4]]", "t[1]"),
        ("[[1],[2,3]]", "t[1]"),
        ("[1,[2,3],[]]", "t[1]"),
        ("[[1,2],3]", "t[1]"),
        ("[1,[2]]", "t[1]"),
        ("[[],[1]]", "t[1]"),
        ("[[],[[]]]", "t[1]"),
        ("[[[1],[2]],[[3,4],[]]]", "t[1][0]"),
        ("[[1,[2]],[3,4]]", "t[0][1]"),
        ("[[1,2],[[3],4]]", "t[1][0]"),
        ('[[1,2],{"a":3}]', "t[1]"),
        ('[1,{"a":2}]', "t[1]"),
    ],
)
def test_ragged_nesting_is_422_at_its_place(text: str, path: str) -> None:
    with pytest.raises(Unfit) as caught:
        read(text)
    assert caught.value.details[0].path == path


def test_brackets_in_strings_do_not_hide_a_deeper_row() -> None:
    body = b'{"note":"]][[", "t":[1,[2,3],[]]}'
    document = json.parse(body)
    with pytest.raises(Unfit):
        document.tensor(document.fields["t"], BY_NAME["FP32"], "t")


def test_brackets_elsewhere_in_the_body_do_not_hinder() -> None:
    document = json.parse(b'{"other":[[[]]], "t":[[1,2],[3,4]]}')
    found = document.tensor(document.fields["t"], BY_NAME["FP32"], "t")
    assert found.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("depth", [33, 70, 900])
@pytest.mark.parametrize("leaf", ["1", '"a"', ""])
def test_too_deep_nesting_is_422(depth: int, leaf: str) -> None:
    with pytest.raises(Unfit):
        read("[" * depth + leaf + "]" * depth)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000])
@pytest.mark.parametrize("first", ["", "[123456789012345678901234567890],"])
def test_bottomless_nesting_is_400(text: str, first: str) -> None:
    with pytest.raises(BadBody):
        json.parse(f'{{"t":[{first}{text}]}}'.encode())


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "datatype", "value"),
    [
        ("[9223372036854775807]", "INT64", 2**63 - 1),
        ("[-9223372036854775808]", "INT64", -(2**63)),
        ("[9007199254740993]", "INT64", 2**53 + 1),
        ("[18446744073709551615]", "UINT64", 2**64 - 1),
        ("[9223372036854775808]", "UINT64", 2**63),
        ("[255]", "UINT8", 255),
        ("[-128]", "INT8", -128),
        ("[65535]", "UINT16", 65535),
        ("[4294967295]", "UINT32", 2**32 - 1),
        ("9223372036854775807", "INT64", 2**63 - 1),
        ("18446744073709551615", "UINT64", 2**64 - 1),
    ],
)
def test_integers_are_exact(text: str, datatype: str, value: int) -> None:
    found = read(text, datatype)
    assert found.dtype == BY_NAME[datatype].dtype
    assert int(found.reshape(())) == value


@pytest.mark.parametrize(
    ("value", "datatype"),
    [
        (2**63, "INT64"),
        (-(2**63) - 1, "INT64"),
        (2**64, "UINT64"),
        (-1, "UINT64"),
        (-1, "UINT8"),
        (256, "UINT8"),
        (128, "INT8"),
        (-129, "INT8"),
        (2**31, "INT32"),
        (-(2**15) - 1, "INT16"),
        (10**30, "INT64"),
        ("1" + "0" * 4000, "INT64"),
        ("-1" + "0" * 5000, "UINT64"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "[{}]", "[[0],[{}]]", '[0,"1",{}]'])
def test_integer_out_of_range_is_422_and_never_wrapped(value: int | str, datatype: str, form: str) -> None:
    with pytest.raises(Unfit) as caught:
        read(form.replace("{}", str(value)), datatype)
    assert caught.value.details[0].path.startswith("t")


@pytest.mark.parametrize("text", ["1.0", "1e2", "1.5", "true", "null", '"1"', "{}", '"NaN"'])
@pytest.mark.parametrize("form", ["{}", "[{}]", "[3,{}]"])
def test_what_is_no_integer_is_422_for_integers(text: str, form: str) -> None:
    with pytest.raises(Unfit):
        read(form.replace("{}", text), "INT32")


@pytest.mark.parametrize(
    ("text", "datatype"),
    [
        ("1e39", "FP32"),
        ("-1e39", "FP32"),
        ("70000", "FP16"),
        ("1e39", "BF16"),
        ("1e999", "FP64"),
        ("-1e999", "FP32"),
        ("1e99999999999999999999", "FP64"),
        ("1" + "0" * 400, "FP64"),
        ("1" + "0" * 5000, "FP32"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "[{}]", '["NaN",{}]', "[[1],[{}]]"])
def test_float_out_of_range_is_422(text: str, datatype: str, form: str) -> None:
    with pytest.raises(Unfit) as caught:
        read(form.replace("{}", text), datatype)
    assert datatype in caught.value.message


@pytest.mark.parametrize(("datatype", "large"), [("FP32", 3.5e38), ("FP16", 65520.0), ("BF16", 3.4e38)])
def test_float_out_of_range_is_found_wherever_it_stands(datatype: str, large: float) -> None:
    for size in (*range(1, 40), 784, 8193):
        for place in {0, size // 3, size // 2, size - 1}:
            numbers = np.linspace(-1, 1, size)
            numbers[place] = -large
            with pytest.raises(Unfit, match=re.escape(f"x[{place}]")):
                elements.narrow(numbers, BY_NAME[datatype], "x")


def test_rows_of_a_plain_body_stay_when_another_is_read() -> None:
    bodies = [plain_json.dumps({"instances": [[number, 0.5], [2, 3]]}).encode() for number in range(3)]
    found = [json.matrix(body, "instances", 2) for body in bodies]
    assert json.matrix(b'{"instances": [[1, 2]', "instances", 2) is None
    assert [array.tolist() for array in found if array is not None] == [[[n, 0.5], [2, 3]] for n in range(3)]


@pytest.mark.parametrize(
    "text",
    ["[[1]]", "[[1, 2, 3]]", "[[1, [2]]]", "[[[1], 2]]", "[[[1, 2]]]", "[1, 2]", "[[1, 2], [3]]", '[[1, "2"]]', "[[]]"],
)
def test_what_is_no_matrix_of_so_many_columns_is_none(text: str) -> None:
    for body in (f'{{"instances": {text}}}', f'{{"instances": [[1, 2]], "[": {text}}}', text):
        assert json.matrix(body.encode(), "instances", 2) is None


def test_out_of_range_names_the_first_wrong_element() -> None:
    with pytest.raises(Unfit) as caught:
        read("[[1,2],[3,1e39]]")
    assert caught.value.details[0].path == "t[1][1]"


@pytest.mark.parametrize(
    "text",
    ["[1,2.5]", "[2.5,1]", "[18446744073709551615,1]", "[-0.0,0]", "[1e-50]", "[5e-324]", "[1e-400]", "[16777217]"],
)
@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_mixed_and_small_numbers_read_as_numpy_would(text: str, datatype: str) -> None:
    expected = np.array(plain_json.loads(text), np.float64).astype(BY_NAME[datatype].dtype)
    assert read(text, datatype).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "text", ["[18446744073709551616]", "[123456789012345678901234567890, 1]", "[-1e3, -9223372036854775809]"]
)
def test_integers_beyond_64_bits_are_fine_floats(text: str) -> None:
    assert np.array_equal(read(text, "FP64"), np.array(plain_json.loads(text), np.float64))


def test_largest_fp32_is_in_range() -> None:
    assert read(f"[{FP32_MAX!r}]")[0] == np.float32(FP32_MAX)


# --- other kinds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["true", "null", '"1"', '"nan"', '"inf"', '"+Infinity"', '""', "{}", "false"])
@pytest.mark.parametrize("form", ["{}", "[{}]", "[1,{}]", "[[1],[{}]]"])
def test_what_is_no_number_among_numbers_is_422(text: str, form: str) -> None:
    with pytest.raises(Unfit):
        read(form.replace("{}", text))


@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32", "FP64"])
def test_special_floats_are_strings_in_and_out(datatype: str) -> None:
    found = read('[1, "NaN", "Infinity", "-Infinity"]', datatype)
    assert found.dtype == BY_NAME[datatype].dtype
    assert np.isnan(found[1])
    assert found[2] == np.inf
    assert found[3] == -np.inf
    assert written(found) == '[1.0,"NaN","Infinity","-Infinity"]'
    assert written(found[1]) == '"NaN"'


@pytest.mark.parametrize("text", ["[1, NaN, Infinity, -Infinity]", "[1,\nNaN,Infinity,\t-Infinity]"])
def test_bare_constants_are_numbers_where_they_are_allowed(text: str) -> None:
    document = json.parse(f'{{"data": {text}, "name": "NaN, Infinity"}}'.encode(), bare_constants=True)
    found = document.tensor(document.fields["data"], BY_NAME["FP32"], "data")
    np.testing.assert_array_equal(found, np.array([1, np.nan, np.inf, -np.inf], np.float32))
    assert document.fields["name"] == "NaN, Infinity"


@pytest.mark.parametrize("text", ["nan", "NAN", "inf", "+Infinity", "--Infinity", "NaNs", "[NaN", "NaN NaN"])
def test_what_is_only_like_a_constant_is_400(text: str) -> None:
    body = f'{{"data": {text}}}'.encode()
    with pytest.raises(BadBody):
        json.parse(body, bare_constants=True)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "[NaN]", "[123456789012345678901, NaN]"])
def test_bare_special_floats_are_400(text: str) -> None:
    with pytest.raises(BadBody):
        read(text)


def test_booleans_and_strings_have_their_datatype() -> None:
    assert read("[[true],[false]]", "BOOL").tolist() == [[True], [False]]
    assert read('["a","é","\\u0000"]', "BYTES").tolist() == ["a", "é", "\0"]
    assert read('["NaN"]', "BYTES").tolist() == ["NaN"]
    for text, datatype in (("[1]", "BOOL"), ("[true]", "BYTES"), ("[null]", "BYTES"), ("[1]", "BYTES")):
        with pytest.raises(Unfit):
            read(text, datatype)
    assert written(np.array([[b"a", "b"], [b"\xff", "é"]], object)) == '[["a","b"],["\ufffd","é"]]'
    assert written(np.array("one", object)) == '"one"'
    assert written(np.array([True, False])) == "[true,false]"


# --- documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"[1",
        b'{"t":[1]} x',
        b'{"t":[1]}{}',
        b'{"t":[1,]}',
        b'{"t":[01]}',
        b'{"t":[1.]}',
        b'{"t":[+1]}',
        b'{"t":[.5]}',
        b'{"t":[0x10]}',
        b"{'t':[1]}",
        b'{"t":"\xff"}',
        b'{"t":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"t":"\\x"}',
        b'{"t":"a\nb"}',
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        b"nul",
        b'{"t":[123456789012345678901],}',
        b'{"t":[123456789012345678901], "a":"\\ud800"}',
        b'{"\\ud800":123456789012345678901}',
        b'{"t":[123456789012345678901], "a":"\xff"}',
        b'{"t":[1e999}',
    ],
)
def test_what_is_not_json_is_400(body: bytes) -> None:
    with pytest.raises(BadBody):
        json.parse(body)


@pytest.mark.parametrize("body", [b"[]", b"1", b'"a"', b"null", b"true", b"123456789012345678901", b"[1e999]"])
def test_what_is_no_object_is_400(body: bytes) -> None:
    with pytest.raises(BadBody, match="must be a JSON object"):
        json.parse(body)


@pytest.mark.parametrize(
    "body", [b'{"a":1,"a":2}', b'{"a":1,"b":[],"\\u0061":[]}', b'{"a":123456789012345678901,"a":1}']
)
def test_key_that_comes_twice_is_400(body: bytes) -> None:
    with pytest.raises(BadBody, match="same key twice"):
        json.parse(body)


def test_inner_key_that_comes_twice_is_400() -> None:
    with pytest.raises(BadBody, match="same key twice"):
        json.members(json.parse(b'{"a":{"b":1,"b":2}}').fields["a"])


@pytest.mark.parametrize("body", [rb'{"\u0000": 1}', rb'{"tensor": 1, "tensor\u0000": 2}'])
def test_key_with_a_nul_is_400(body: bytes) -> None:
    with pytest.raises(BadBody, match="NUL"):
        json.parse(body)


def test_inner_key_with_a_nul_is_400() -> None:
    with pytest.raises(BadBody, match="NUL"):
        json.members(json.parse(rb'{"a": {"b\u0000c": 1, "b": 2}}').fields["a"])


def test_mistake_is_told_with_line_and_column() -> None:
    with pytest.raises(BadBody, match="line 2, column 3"):
        json.parse(b'{"t":\n [}')


def test_mistake_in_long_body_is_told_without_a_second_reading() -> None:
    with pytest.raises(BadBody, match="not JSON"):
        json.parse(b'{"t":[' + b"1," * (1 << 16))


def test_byte_order_mark_is_passed_over() -> None:
    assert json.parse(b'\xef\xbb\xbf{"t":1}').fields == {"t": 1}
    assert json.parse(b'\xef\xbb\xbf{"t":1e999}').fields == {"t": math.inf}


def test_plain_gives_python_objects() -> None:
    fields = json.parse(b'{"a":[1,[2]],"o":{"k":[3]},"s":"x","escaped":"\\u00e9 and 123456789012345678901"}').fields
    assert {name: json.plain(value) for name, value in fields.items()} == {
        "a": [1, [2]],
        "o": {"k": [3]},
        "s": "x",
        "escaped": "é and 123456789012345678901",
    }
    assert json.parse(b'{"a":123456789012345678901,"b":"\\u00e9"}').fields == {"a": 123456789012345678901, "b": "é"}


# --- any shape, type and value ----------------------------------------------------------------------------------------

SHAPES = arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)


def jsoned(value: Any) -> Any:
    """A nested list as proto3 JSON has it, by the standard library alone."""
    if isinstance(value, list):
        return [jsoned(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def canonical(array: Array) -> bytes:
    """Bits with every NaN alike, since JSON has only one."""
    if array.dtype.kind in "iub":
        return array.tobytes()
    return np.where(np.isnan(array), np.array(np.nan, array.dtype), array).tobytes()


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(["FP16", "FP32", "FP64"]))
def test_any_float_array_comes_back_to_the_same_bits(data: st.DataObject, name: str) -> None:
    array = data.draw(arrays.arrays(BY_NAME[name].dtype, SHAPES))
    text = written(array)
    assert "null" not in text
    plain_json.loads(text, parse_constant=pytest.fail)
    assert canonical(read(text, name)) == canonical(array)
    assert canonical(read(plain_json.dumps(jsoned(array.tolist())), name)) == canonical(array)


@settings(deadline=None, max_examples=40)
@given(arrays.arrays(np.uint16, arrays.array_shapes(max_dims=3)))
def test_any_bfloat16_array_comes_back_to_the_same_bits(bits: Array) -> None:
    array = bits.view(ml_dtypes.bfloat16)
    again = read(written(array), "BF16")
    assert canonical(again.astype(np.float32)) == canonical(array.astype(np.float32))


@settings(deadline=None, max_examples=60)
@given(
    st.data(),
    st.sampled_from(["BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"]),
)
def test_any_integer_array_is_read_and_written_as_the_standard_library_does(data: st.DataObject, name: str) -> None:
    array = data.draw(arrays.arrays(BY_NAME[name].dtype, SHAPES))
    assert plain_json.loads(written(array)) == array.tolist()
    again = read(plain_json.dumps(array.tolist(), indent=1), name)
    assert again.dtype == array.dtype
    assert again.tobytes() == array.tobytes()


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1))
def test_fp32_is_written_in_its_shortest_form(bits: int) -> None:
    value = np.array(bits, np.uint32).view(np.float32)
    text = written(value.reshape(1))[1:-1]
    if np.isfinite(value):
        assert np.float32(text).tobytes() == value.tobytes()
        assert struct.unpack("f", struct.pack("f", float(text)))[0] == value
        digits = len(text.lower().partition("e")[0].replace(".", "").replace("-", "").strip("0"))
        shortest = np.format_float_scientific(value[()], unique=True, trim="-").partition("e")[0]
        assert digits == len(shortest.replace(".", "").replace("-", "").strip("0"))


NESTED = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=3),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=12,
)


def expected(value: Any) -> Array | None:
    """FP64 as NumPy reads a rectangle of numbers, None for anything else; written without the codec."""

    def leaves(inner: Any) -> bool:
        if isinstance(inner, list):
            return all(leaves(element) for element in inner)
        return isinstance(inner, int | float) and not isinstance(inner, bool)

    if not leaves(value):
        return None
    try:
        return np.array(value, np.float64)
    except ValueError:
        return None


@settings(deadline=None, max_examples=250)
@given(NESTED)
def test_any_value_is_read_as_numpy_reads_it_or_refused(value: Any) -> None:
    wanted = expected(value)
    body = plain_json.dumps({"t": value}).encode()
    try:
        document = json.parse(body)
    except BadBody:  # half of a surrogate pair, which json.dumps writes and JSON does not have
        assert b"\\ud" in body
        return
    if wanted is None:
        with pytest.raises(Unfit):
            document.tensor(document.fields["t"], BY_NAME["FP64"], "t")
    else:
        found = document.tensor(document.fields["t"], BY_NAME["FP64"], "t")
        assert found.shape == wanted.shape
        assert found.tobytes() == wanted.tobytes()


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60) | st.text('[]{},:"0129.-+eEtrufalsn \\', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused_with_400(body: bytes) -> None:
    try:
        fields = json.parse(body).fields
    except BadBody:
        return
    assert {name: json.plain(value) for name, value in fields.items()} == plain_json.loads(body.decode("utf-8-sig"))


@pytest.mark.parametrize("array", [np.array(7, np.longlong), np.array(7, np.ulonglong), np.array([7], np.longlong)])
def test_second_name_of_a_type_is_written_as_well(array: Array) -> None:
    assert json.dumps(json.fragment(array)) in (b"7", b"[7]")


def test_flat_numbers_beside_other_arrays_are_read_fast_and_a_hidden_level_is_still_seen() -> None:
    text = b'{"shape": [3], "data": [1, 2, 3]}'
    document = json.parse(text)
    assert document.tensor(document.fields["data"], BY_NAME["FP32"], "data", beside=1).tolist() == [1, 2, 3]
    hidden = json.parse(b'{"shape": [3], "data": [1, [2], 3]}')
    for beside in (0, 1):
        with pytest.raises(Unfit, match=r"data\[1\]"):
            hidden.tensor(hidden.fields["data"], BY_NAME["FP32"], "data", beside=beside)
