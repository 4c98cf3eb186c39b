import json

import pytest

from whisper_jax.errors import OptionError
from whisper_jax.evaluate import read_manifest, select_clips


def row(**changes):
    return {"path": "a.flac", "set": "read", "language": "en", "text": "Hello."} | changes


def write(path, rows):
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


def test_a_clip_is_read_from_each_line(tmp_path):
    manifest = write(
        tmp_path / "m.jsonl", [row(duration_s=2), row(path="sub/b.mp3", text="你好", licence="CC0")]
    )
    first, second = read_manifest(manifest)
    assert first.path == tmp_path / "a.flac"
    assert (first.name, first.set_name, first.text) == ("a.flac", "read", "Hello.")
    assert first.duration_s == 2.0
    assert second.path == tmp_path / "sub" / "b.mp3"
    assert (second.text, second.duration_s) == ("你好", None)


def test_the_set_is_the_manifest_if_left_out(tmp_path):
    clip = row()
    del clip["set"]
    assert read_manifest(write(tmp_path / "talks.jsonl", [clip]))[0].set_name == "talks"


@pytest.mark.parametrize(
    ("tag", "given"),
    [("en", "en"), ("sv-SE", "sv"), ("zh_CN", "zh"), ("zh+en", None), ("en+", "en")],
)
def test_the_language_is_given_unless_code_switched(tmp_path, tag, given):
    clip = read_manifest(write(tmp_path / "m.jsonl", [row(language=tag)]))[0]
    assert clip.given_language == given


PARTS = [{"language": "zh-CN", "text": "你好", "end": 1.5}, {"language": "en", "text": "friend"}]


def test_the_parts_of_a_code_switched_clip_are_read(tmp_path):
    rows = [row(language="zh+en", segments=PARTS), row(segments=PARTS), row(language="zh+en")]
    switched, *others = read_manifest(write(tmp_path / "m.jsonl", rows))
    assert switched.segments == (("zh-CN", "你好"), ("en", "friend"))
    assert [clip.segments for clip in others] == [(), ()]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 3: Expecting"),
        ("[1]", "line 3: not a JSON object"),
        ('{"path": "a"}', "line 3: 'language' is missing"),
        ('{"path": "a", "language": "en"}', "line 3: 'text' is missing"),
        ('{"language": "en", "text": ""}', "line 3: 'path' is missing"),
        (json.dumps(row(path="")), "line 3: 'path' is empty"),
        (json.dumps(row(text=None)), "line 3: 'text' is None"),
        (json.dumps(row(language="+")), "line 3: 'language' is empty"),
        (json.dumps(row(duration_s="5")), "line 3: 'duration_s' is '5'"),
        (json.dumps(row(duration_s=-1)), "line 3: 'duration_s' is -1"),
        (json.dumps(row(language="zh+en", segments=["x"])), "line 3: 'segments' has to be"),
        (
            json.dumps(row(language="zh+en", segments=[{"text": "x"}])),
            "line 3: 'language' is missing",
        ),
        (
            json.dumps(row(language="zh+en", segments=[{"text": "x", "language": "zh+en"}])),
            "line 3: each of the 'segments' needs one language",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    manifest = write(tmp_path / "m.jsonl", [row()])
    manifest.write_text(manifest.read_text() + "\n" + line)
    with pytest.raises(OptionError, match=message):
        read_manifest(manifest)


def test_a_manifest_that_is_not_there_or_empty_is_refused(tmp_path):
    with pytest.raises(OptionError, match="cannot be read"):
        read_manifest(tmp_path / "none.jsonl")
    (tmp_path / "m.jsonl").write_text("\n")
    with pytest.raises(OptionError, match="has no clips"):
        read_manifest(tmp_path / "m.jsonl")
    (tmp_path / "m.jsonl").write_bytes(b"\xff")
    with pytest.raises(OptionError, match="cannot be read"):
        read_manifest(tmp_path / "m.jsonl")


def test_clips_are_chosen_by_set_and_number(tmp_path):
    rows = [row(path=name, set=name[0]) for name in ("a1", "b1", "a2", "c1", "a3", "b2")]
    clips = read_manifest(write(tmp_path / "m.jsonl", rows))

    def names(**choice):
        return [clip.name for clip in select_clips(clips, **choice)]

    assert names() == ["a1", "a2", "a3", "b1", "b2", "c1"]
    assert names(sets=["c", "a"]) == ["a1", "a2", "a3", "c1"]
    assert names(limit=1) == ["a1", "b1", "c1"]
    with pytest.raises(OptionError, match="no set d; there are: a, b, c"):
        names(sets=["a", "d"])
    with pytest.raises(OptionError, match="limit is 0"):
        names(limit=0)
