"""The text that is trained on: the same at every load, and nothing of it in both parts."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.converge.corpora import text
from hwsim.errors import InputError

TEXT = "\n\n".join(f"Paragraph {i} says {i * i} things, über {i + 1} lines." for i in range(400))


@pytest.fixture(scope="module")
def default():
    return text.characters()


def test_the_default_text_is_there(default):
    assert default.name == text.DEFAULT
    assert len(default.training) > 200_000
    assert len(default.validation) == text.VALIDATION_CHARACTERS


def test_codes_stay_below_the_vocabulary(default):
    codes = np.concatenate((default.training, default.validation))
    assert np.array_equal(np.unique(codes), np.arange(default.vocabulary))


def test_a_second_load_is_the_same(default):
    again = text.characters()
    assert again.sha256 == default.sha256
    assert np.array_equal(again.training, default.training)
    assert np.array_equal(again.validation, default.validation)


def paragraphs(codes, end):
    """Texts of codes between the codes of an empty line."""
    joined = "".join(chr(code) for code in codes)
    return {part.strip(chr(end)) for part in joined.split(chr(end) * 2)} - {""}


def test_no_paragraph_is_in_both_parts(default):
    newline = 0  # the smallest symbol of the text
    trained = paragraphs(default.training, newline)
    tested = paragraphs(default.validation, newline)
    assert len(trained) > 500
    assert len(tested) > 50
    assert not trained & tested


def test_a_users_own_file(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text(TEXT, encoding="utf-8")
    found = text.characters(path, validation=2000)
    assert found.name == "mine.txt"
    assert len(found.training) + len(found.validation) == len(TEXT)
    assert found.vocabulary == len(set(TEXT))


def test_repeated_paragraphs_count_once(tmp_path):
    once, often = tmp_path / "once", tmp_path / "often"
    once.write_text(TEXT, encoding="utf-8")
    often.write_text(f"{TEXT}\n\n{TEXT}\n\n\n\n{TEXT}", encoding="utf-8")
    assert text.characters(once, 2000).sha256 == text.characters(often, 2000).sha256


def test_line_ends_do_not_matter(tmp_path):
    unix, dos = tmp_path / "unix", tmp_path / "dos"
    unix.write_bytes(TEXT.encode())
    dos.write_bytes(TEXT.replace("\n", "\r\n").encode())
    assert text.characters(unix, 2000).sha256 == text.characters(dos, 2000).sha256


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"abc \xff\xfe def", r"not UTF-8 text \(at byte 4\)"),
        (b"too short", "found 9 characters"),
        (b"", "found 0 characters"),
        (b"again\n\n" * 20_000, "found 5 characters"),
    ],
)
def test_a_file_that_is_no_text_to_train_on(tmp_path, content, fault):
    path = tmp_path / "mine.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=fault) as caught:
        text.characters(path)
    assert "mine.txt" in caught.value.where
    assert caught.value.instead


def test_a_missing_file_and_a_directory_are_bad_input(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(InputError, match=r"found no file|found a directory"):
            text.characters(path)


def test_words_are_coded_by_frequency(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("\n\n".join(f"The cat's {i} lives; THE END" for i in range(50)))
    found = text.words(path, vocabulary=4, validation=20)
    codes = np.concatenate((found.training, found.validation))
    assert (found.unit, found.vocabulary, found.held) == ("words", 4, 20)
    # "the" twice a line, then one of ";", "cat's", "end" and "lives": the first by the alphabet.
    assert np.bincount(codes).tolist() == [150, 100, 50, 50]


def test_more_words_than_there_are(tmp_path):
    path = tmp_path / "mine"
    path.write_text("\n\n".join("one two" + " three" * i for i in range(20)))
    with pytest.raises(InputError, match="found 9, but mine has 3 different words") as caught:
        text.words(path, vocabulary=9, validation=20)
    assert "workload.vocabulary=4" in caught.value.instead
