from dazle.errors import LONGEST, InputError


def test_what_is_quoted_from_a_file_cannot_break_the_line_or_drive_the_terminal() -> None:
    error = InputError("file.h5: 'a\nb\r\x1b[2J\u2028\x00' is Größe 漢字")
    assert str(error) == r"file.h5: 'a\nb\r\x1b[2J\u2028\x00' is Größe 漢字"


def test_a_long_line_keeps_its_place_and_its_remedy() -> None:
    line = str(InputError(f"file.h5: {'x' * 10**6}; fetch it again"))
    assert len(line) < LONGEST + 10
    assert line.startswith("file.h5: xx")
    assert line.endswith("xx; fetch it again")
