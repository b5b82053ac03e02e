"""Archives of what jobs wrote, case by case: nothing outside is read or written."""

from __future__ import annotations

import gzip
import io
import os
import socket
import stat
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sagebrush.store.objects import Blob
from sagebrush.workload import archive, dirfd
from sagebrush.workload.archive import ArchiveError, Caps

SECRET = b"the server's key"
Swap = Callable[[dirfd.Found], None]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_bytes(SECRET)
    return file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    made = tmp_path / "target"
    made.mkdir()
    return made


def packed(
    model: Path, caps: Caps | None = None, tops: Sequence[str] = (), swap: Swap | None = None
) -> tuple[dict[str, tarfile.TarInfo], bytes, list[str]]:
    """`swap` is called with each thing that is found, before it is packed."""
    out, notes = io.BytesIO(), []
    with dirfd.opened(model) as fd:
        found = (each for each in dirfd.walk(fd) if swap is None or swap(each) is None)
        archive.pack(found, out, caps or Caps(), notes.append, tops)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        return {m.name: m for m in tar.getmembers()}, out.getvalue(), notes


def unpacked(data: bytes, target: Path, caps: Caps | None = None, tops: Sequence[str] = ()) -> int:
    with dirfd.opened(target) as fd:
        return archive.unpack(Blob(len(data), data=data), fd, caps, tops)


def tar_of(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def test_files_come_back_as_they_were(model: Path, target: Path) -> None:
    (model / "sub").mkdir()
    (model / "sub" / "ünï-🎈.bin").write_bytes(bytes(range(256)) * 5000)
    (model / "run.sh").write_text("#!/bin/sh")
    (model / "run.sh").chmod(0o755)
    (model / "empty").mkdir()
    (model / ("long" * 50)).write_bytes(b"x")
    _, data, notes = packed(model)
    assert notes == []
    assert unpacked(data, target) == 5
    assert (target / "sub" / "ünï-🎈.bin").read_bytes() == bytes(range(256)) * 5000
    assert stat.S_IMODE((target / "run.sh").stat().st_mode) & 0o111
    assert (target / "empty").is_dir()
    assert packed(model)[1] == data  # the same bytes each time


def test_links_inside_are_kept_and_links_outside_left_out(
    model: Path, target: Path, secret: Path
) -> None:
    (model / "a").write_bytes(b"a")
    (model / "d").mkdir()
    (model / "d" / "up").symlink_to("../a")
    (model / "absolute").symlink_to(secret)
    (model / "climbs").symlink_to("../secret")
    (model / "d" / "climbs").symlink_to("../../secret")
    (model / "dot").symlink_to(".")
    (model / "through").symlink_to("dot/../secret")
    members, data, notes = packed(model)
    assert sorted(members) == ["a", "d", "d/up", "dot"]
    assert len(notes) == 4
    assert SECRET not in gzip.decompress(data)
    unpacked(data, target)
    assert (target / "d" / "up").read_bytes() == b"a"


def test_a_link_to_a_directory_outside_is_not_entered(model: Path, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_bytes(SECRET)
    (model / "dir").symlink_to(tmp_path / "private")
    members, _, notes = packed(model)
    assert members == {}
    assert notes == ["dir: a link that leads outside"]


TOPS = ("/opt/ml/model", "/srv/jobs/t-1/ml/model")


@pytest.mark.parametrize(
    ("at", "target", "inner"),
    [
        ("best", "/opt/ml/model/step-9", "step-9"),
        ("best", "/opt/ml/model/./step-9//w/", "step-9/w"),
        ("best", "/srv/jobs/t-1/ml/model/step-9", "step-9"),
        ("best", "/opt/ml/model", "."),
        ("a/b/best", "/opt/ml/model/step-9", "../../step-9"),
        ("a/b/best", "/opt/ml/model", "../.."),
        ("best", "../model/step-9", "step-9"),
        ("a/best", "../../model/step-9", "../step-9"),
        ("best", "../../../opt/ml/model/x", "x"),
        ("a/best", "../step-9", "../step-9"),  # as it was
        (
            "best",
            "/opt/ml/model/../model/x",
            None,
        ),  # `..` after a name may climb out through a link
        ("best", "/opt/ml/modelling/x", None),
        ("best", "/opt/ml/checkpoints/x", None),
        ("best", "../checkpoints/x", None),
        ("best", "/etc/passwd", None),
        ("best", "../../../../../etc/passwd", None),
        ("best", "/opt/ml/model/x\0y", None),
        ("best", "", None),
    ],
)
def test_a_link_that_names_its_place_absolutely_stays(
    at: str, target: str, inner: str | None
) -> None:
    parts = tuple(at.split("/"))
    assert archive.inner_link(parts, target, TOPS) == inner
    if inner is not None:
        assert archive.safe_link(parts, inner)


def test_absolute_links_come_back_as_relative_ones(model: Path, target: Path) -> None:
    (model / "step-9").mkdir()
    (model / "step-9" / "w.bin").write_bytes(b"w")
    (model / "runs" / "last").mkdir(parents=True)
    (model / "best").symlink_to("/opt/ml/model/step-9")
    (model / "runs" / "last" / "weights").symlink_to("/opt/ml/model/step-9/w.bin")
    (model / "away").symlink_to("/opt/ml/checkpoints/step-9")
    members, data, notes = packed(model, tops=TOPS)
    assert members["best"].linkname == "step-9"
    assert members["runs/last/weights"].linkname == "../../step-9/w.bin"
    assert notes == ["away: a link that leads outside"]
    unpacked(data, target)
    assert (target / "best" / "w.bin").read_bytes() == b"w"
    assert (target / "runs" / "last" / "weights").read_bytes() == b"w"


def test_an_archive_with_absolute_links_into_its_own_place_unpacks(
    target: Path, secret: Path
) -> None:
    """As `tar` makes it of a model whose links were made with SM_MODEL_DIR."""
    link = info("best", tarfile.SYMTYPE, "/opt/ml/model/step-9")
    odd = info("d/../odd", tarfile.SYMTYPE, "/opt/ml/model/step-9")
    data = tar_of(
        (info("d", tarfile.DIRTYPE), b""), (info("step-9"), b"w"), (link, b""), (odd, b"")
    )
    unpacked(data, target, tops=("/opt/ml/model",))
    assert os.readlink(target / "best") == os.readlink(target / "odd") == "step-9"
    for elsewhere in (str(secret), "/opt/ml/model/../../secret", "../secret", "/opt/ml/code/x"):
        data = tar_of((info("l", tarfile.SYMTYPE, elsewhere), b""))
        with pytest.raises(ArchiveError):
            unpacked(data, target, tops=("/opt/ml/model",))


@pytest.mark.parametrize("what", ["link", "fifo", "directory", "gone"])
def test_a_file_that_becomes_something_else_is_left_out(
    model: Path, secret: Path, what: str
) -> None:
    (model / "a").write_bytes(b"a")
    (model / "b").write_bytes(b"b")

    def swap(found: dirfd.Found) -> None:
        if found.path != "a":
            return
        (model / "a").unlink()
        if what == "link":
            (model / "a").symlink_to(secret)
        elif what == "fifo":
            os.mkfifo(model / "a")
        elif what == "directory":
            (model / "a").mkdir()

    members, _, notes = packed(model, swap=swap)
    assert list(members) == ["b"]
    assert notes == ["a: it changed while it was read"]


def test_a_file_that_grows_is_packed_as_it_is_when_it_is_opened(model: Path) -> None:
    (model / "a").write_bytes(b"a")

    def swap(found: dirfd.Found) -> None:
        (model / "a").write_bytes(b"longer")

    members, _, _ = packed(model, swap=swap)
    assert members["a"].size == 6


def test_holes_are_bounded_whatever_the_volume(model: Path) -> None:
    with open(model / "data", "wb") as file:
        file.write(bytes(os.urandom(8192)))
    packed(model, Caps(holes=4096))
    with open(model / "sparse", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ArchiveError, match=r"64 GiB of holes in sparse files \(at sparse\)"):
        packed(model, Caps(size=1 << 50))


def test_an_archive_deeper_than_any_model_is_refused(target: Path) -> None:
    with pytest.raises(ArchiveError, match="more than 256 directories deep"):
        unpacked(tar_of((info("d/" * 257 + "x"), b"x")), target)
    assert os.listdir(target) == []


def test_hard_links_become_files(model: Path) -> None:
    (model / "a").write_bytes(b"same")
    os.link(model / "a", model / "b")
    members, _, _ = packed(model)
    assert members["a"].isreg()
    assert members["b"].isreg()
    assert members["b"].size == 4


def test_fifos_sockets_and_devices_are_left_out_and_never_waited_for(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(model / "fifo")
    monkeypatch.chdir(model)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("sock")
    expected = {"fifo: a FIFO", "sock: a socket"}
    if os.geteuid() == 0:
        try:
            os.mknod(model / "disk", stat.S_IFBLK | 0o666, os.makedev(8, 0))
            expected.add("disk: a device")
        except PermissionError:
            pass
    members, _, notes = packed(model)
    assert members == {}
    assert set(notes) == expected


def test_a_giant_sparse_file_is_refused_before_it_is_read(model: Path) -> None:
    with open(model / "huge", "wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(ArchiveError, match="GiB of files"):
        packed(model, Caps(size=1 << 30))


def test_too_many_files_are_refused(model: Path) -> None:
    for n in range(20):
        (model / str(n)).touch()
    with pytest.raises(ArchiveError, match="more than 10 files"):
        packed(model, Caps(members=10))


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("climbing", [(info("../evil"), b"x")]),
        ("deep climbing", [(info("a/b/../../../evil"), b"x")]),
        ("absolute link", [(info("l", tarfile.SYMTYPE, "/etc/passwd"), b"")]),
        ("climbing link", [(info("l", tarfile.SYMTYPE, "../evil"), b"")]),
        ("two links", [
            (info("dot", tarfile.SYMTYPE, "."), b""),
            (info("l", tarfile.SYMTYPE, "dot/../evil"), b""),
        ]),
        ("through a link", [
            (info("d", tarfile.DIRTYPE), b""),
            (info("l", tarfile.SYMTYPE, "d"), b""),
            (info("l/evil"), b"x"),
        ]),
        ("hard link outside", [(info("l", tarfile.LNKTYPE, "../secret"), b"")]),
        ("hard link to a link", [
            (info("s", tarfile.SYMTYPE, "t"), b""),
            (info("l", tarfile.LNKTYPE, "s"), b""),
        ]),
        ("hard link to nothing", [(info("l", tarfile.LNKTYPE, "none"), b"")]),
        ("fifo", [(info("f", tarfile.FIFOTYPE), b"")]),
        ("device", [(info("f", tarfile.CHRTYPE), b"")]),
        ("file and directory", [(info("a"), b"x"), (info("a/b"), b"x")]),
        ("directory and file", [(info("a/b"), b"x"), (info("a"), b"x")]),
    ],
)  # fmt: skip
def test_hostile_archives_are_refused_and_write_nothing_outside(
    name: str, members: list[tuple[tarfile.TarInfo, bytes]], target: Path, secret: Path
) -> None:
    with pytest.raises(ArchiveError):
        unpacked(tar_of(*members), target)
    assert not (target.parent / "evil").exists()
    assert secret.read_bytes() == SECRET


def test_an_absolute_name_lands_inside(target: Path) -> None:
    unpacked(tar_of((info("/etc/model.bin"), b"x")), target)
    assert (target / "etc" / "model.bin").read_bytes() == b"x"


def test_a_link_that_was_there_is_not_written_through(target: Path, secret: Path) -> None:
    (target / "model.bin").symlink_to(secret)
    unpacked(tar_of((info("model.bin"), b"new")), target)
    assert secret.read_bytes() == SECRET
    assert (target / "model.bin").read_bytes() == b"new"
    assert not (target / "model.bin").is_symlink()


def test_hard_links_inside_are_unpacked(target: Path) -> None:
    unpacked(tar_of((info("a"), b"x"), (info("b", tarfile.LNKTYPE, "a"), b"")), target)
    assert (target / "b").read_bytes() == b"x"


def test_later_members_replace_earlier_ones(target: Path) -> None:
    unpacked(tar_of((info("a"), b"old"), (info("a"), b"new")), target)
    assert (target / "a").read_bytes() == b"new"


def bomb(size: int) -> bytes:
    """A gzip of a tar with one file of `size` zeros."""
    head = info("zeros")
    head.size = size
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as packed:
        packed.write(head.tobuf())
        for _ in range(size >> 20):
            packed.write(bytes(1 << 20))
    return out.getvalue()


def test_a_bomb_is_refused_before_it_fills_the_disk(target: Path) -> None:
    with pytest.raises(ArchiveError, match="GiB of files"):
        unpacked(bomb(64 << 20), target, Caps(size=1 << 20))
    assert sum(f.stat().st_size for f in target.iterdir()) == 0


def test_a_bomb_of_members_is_refused(target: Path) -> None:
    data = tar_of(*((info(str(n)), b"") for n in range(50)))
    with pytest.raises(ArchiveError, match="more than 10 members"):
        unpacked(data, target, Caps(members=10))


def test_a_bomb_in_an_extended_header_is_refused(target: Path) -> None:
    head = info("pax", tarfile.XHDTYPE)
    head.size = 1 << 30
    data = gzip.compress(head.tobuf() + bytes(1 << 20))
    with pytest.raises(ArchiveError, match="extended header"):
        unpacked(data, target)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: b"this is no archive" * 100,
        lambda d: d[: len(d) // 2],
        lambda d: d[:40] + bytes([d[40] ^ 255]) + d[41:],
        lambda d: b"",
    ],
)
def test_broken_archives_are_told(spoil: Callable[[bytes], bytes], target: Path) -> None:
    data = tar_of((info("a"), os.urandom(50_000)))
    with pytest.raises(ArchiveError):
        unpacked(spoil(data), target)


def test_a_plain_tar_and_a_blob_in_parts_unpack_too(target: Path, tmp_path: Path) -> None:
    data = tar_of((info("a"), b"x" * 100_000), mode="w")
    (tmp_path / "one").write_bytes(b"junk" + data[:70_000])
    parts = (
        Blob(70_000, tmp_path / "one", 4),
        Blob(len(data) - 70_000, data=data[70_000:]),
    )
    with dirfd.opened(target) as fd:
        archive.unpack(Blob(len(data), parts=parts), fd)
    assert (target / "a").read_bytes() == b"x" * 100_000


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="this Python has no data filter")
@pytest.mark.parametrize("name", ["a", "/a", "a/../b", "../a", "a/../../b", "./a", "//a/b", ".."])
@pytest.mark.parametrize("link", ["", "b", "/b", "../b", "../../b", "c/../../b", ".."])
@pytest.mark.parametrize(
    "kind", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE]
)
def test_names_are_judged_as_the_standard_library_does(name: str, link: str, kind: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link or "x", 0o4777
    try:
        ours = archive._judged(member)
    except ArchiveError:
        with pytest.raises(tarfile.FilterError):
            tarfile.data_filter(member, "/nowhere/at/all")
        return
    theirs = tarfile.data_filter(member, "/nowhere/at/all")
    assert ours.name == theirs.name
    if kind in (tarfile.REGTYPE, tarfile.LNKTYPE):
        assert ours.mode == theirs.mode
