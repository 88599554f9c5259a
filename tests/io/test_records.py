"""Records on the lines of a file, whatever happened to the last one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_virtual_stain.io.records import append_record, read_records, write_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
RECORDS = st.lists(st.dictionaries(st.text(), JSON, max_size=3), min_size=1, max_size=4)


@given(RECORDS, st.integers(0, 50))
def test_what_was_cut_off_is_left_out_and_spoils_nothing(tmp_path_factory, records, cut):
    path = tmp_path_factory.mktemp("records") / "new" / "a.jsonl"
    append_record(path, records[0], anew=True)
    for record in records[1:]:
        append_record(path, record)
    assert read_records(path) == records
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "a value that a power failure cuts off", "more": 1}'[:cut])
    assert read_records(path) == records
    append_record(path, {"next": 1})
    assert read_records(path) == [*records, {"next": 1}]


def test_there_are_none_where_there_is_no_file(tmp_path):
    assert read_records(tmp_path / "none.jsonl") == []


def test_a_text_takes_the_place_of_another(tmp_path):
    for text in ("one µ\n", "two\n"):
        write_text(tmp_path / "a.md", text)
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "two\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


def test_beginning_anew_forgets(tmp_path):
    for number in range(2):
        append_record(tmp_path / "a.jsonl", {"n": number}, anew=True)
    assert read_records(tmp_path / "a.jsonl") == [{"n": 1}]


@pytest.mark.parametrize("anew", [False, True])
def test_lines_within_texts_stay_there(tmp_path, anew):
    append_record(tmp_path / "a.jsonl", {}, anew=True)
    append_record(tmp_path / "a.jsonl", {"text": "a\nb\u2028c\x0bd"}, anew=anew)
    assert read_records(tmp_path / "a.jsonl")[-1] == {"text": "a\nb\u2028c\x0bd"}
