"""Options in a YAML file."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_virtual_stain.errors import VirtualStainError
from napari_virtual_stain.io.options_file import MAX_BYTES, read_options, write_options

KNOWN = ["preset", "steps", "learning_rate", "input", "train_crop", "turns", "licence"]


def read(tmp_path, text, known=KNOWN):
    path = tmp_path / "run.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_options(path, known)


def test_what_people_write_is_taken_as_it_stands(tmp_path):
    text = """
    # a comment
    preset: best
    steps: 2_000
    learning-rate: 1e-3
    input: [phase, "für DIC", 3]
    train_crop:
      X: 10:50
      Y: [1, 2]
    turns: NO
    licence:
    """
    assert read(tmp_path, text) == {
        "preset": "best",
        "steps": "2_000",
        "learning_rate": "1e-3",
        "input": ["phase", "für DIC", "3"],
        "train_crop": {"X": "10:50", "Y": ["1", "2"]},
        "turns": "NO",
    }


printable = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=20
)
flat = st.one_of(printable, st.lists(printable, max_size=3))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(KNOWN), st.one_of(flat, st.dictionaries(printable, flat))))
def test_texts_that_are_written_are_read(tmp_path_factory, options):
    path = tmp_path_factory.mktemp("options") / "run.yaml"
    write_options(options, path, comment="vstain train")
    assert read_options(path, KNOWN) == options


@settings(max_examples=30, deadline=None)
@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_that_are_written_are_read(tmp_path_factory, number):
    path = tmp_path_factory.mktemp("options") / "run.yaml"
    write_options({"learning_rate": number}, path)
    assert type(number)(read_options(path, KNOWN)["learning_rate"]) == number


def test_an_earlier_file_is_kept(tmp_path):
    path = write_options({"turns": True}, tmp_path / "new" / "run.yaml", comment="how it was made")
    assert path.read_text() == "# how it was made\nturns: true\n"
    with pytest.raises(VirtualStainError, match=r"run\.yaml exists already"):
        write_options({"steps": 2}, path)
    write_options({"steps": 2}, path, overwrite=True)
    assert read_options(path, KNOWN) == {"steps": "2"}


@pytest.mark.parametrize("text", ["", "# nothing", "---\n..."])
def test_an_empty_file_gives_nothing(tmp_path, text):
    assert read(tmp_path, text) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stepz: 3", r"there is no option 'stepz'. Did you mean 'steps'\?"),
        ("leraning-rate: 3", r"no option 'leraning-rate'. Did you mean 'learning_rate'\?"),
        ("qqq: 3", "no option 'qqq'. Known: input, learning_rate"),
        ("1: 3", "no option '1'"),
        ("steps: 1\nsteps: 2", "'steps' is given twice"),
        ("train_crop: {X: 1, X: 2}", "'X' is given twice"),
        ("learning-rate: 1\nlearning_rate: 2", "'learning_rate' is given twice"),
        ("- steps\n- 1", "no file of options"),
        ("just words", "no file of options"),
        ("steps: [1", "cannot be read as YAML"),
        ("steps: 1\n--- \nsteps: 2", "cannot be read as YAML"),
        ("a: &a [x]\nb: *a", r"references \(\*name\) are not for options"),
        ("steps: !!python/object/apply:os.system [ls]", "nothing that options are made of"),
        ("steps: !!binary aGk=", "nothing that options are made of"),
        ("input: [[a]]", "nested too deeply"),
        ("train_crop: {X: {Y: 1}}", "nested too deeply"),
        ("input: [a, ]\ntrain_crop: {X: [a, null]}", "value of a list is empty"),
        ("train_crop: {X: }", "'X' is empty"),
        ("? [a]\n: 1", "nested too deeply"),
        ("input: " + "[" * 5000, "cannot be read as YAML"),
        (b"steps: \xff\xfe", "cannot be read as YAML"),
        (b"#" * (MAX_BYTES + 1), "too large"),
    ],
)
def test_files_that_are_wrong(tmp_path, text, said):
    with pytest.raises(VirtualStainError, match=rf"run\.yaml.*{said}"):
        read(tmp_path, text)


def test_what_is_not_there(tmp_path):
    with pytest.raises(VirtualStainError, match=r"there is no file .*none\.yaml"):
        read_options(tmp_path / "none.yaml", KNOWN)
