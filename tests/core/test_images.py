"""Pictures from outside: made anew, light, and nothing of the file survives."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from PIL import Image

from tracker.core import images

SIZES = ((360, 450), (720, 900))


def photo(form: str = "JPEG", size: tuple[int, int] = (1200, 1500), **extra: Any) -> bytes:
    grain = Image.effect_noise((size[0] // 6, size[1] // 6), 60)
    picture = grain.resize(size, Image.Resampling.BICUBIC).convert("RGB")
    file = io.BytesIO()
    picture.save(file, form, **extra)
    return file.getvalue()


def plain(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


def empty_png(width: int, height: int) -> bytes:
    """A small file that says it is large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", images.TAKEN)
def test_a_photo_becomes_small_pictures_in_three_formats(form: str) -> None:
    made = images.crops(photo(form), SIZES)
    assert [(one.format, one.width, one.height) for one in made] == [
        ("avif", 360, 450),
        ("webp", 360, 450),
        ("jpeg", 360, 450),
        ("avif", 720, 900),
        ("webp", 720, 900),
    ]
    for one in made:
        assert len(one.data) <= 60_000
        with Image.open(io.BytesIO(one.data)) as picture:
            assert picture.size == (one.width, one.height)


def test_place_time_camera_and_everything_else_in_the_file_is_gone() -> None:
    exif = Image.Exif()
    exif[0x010F] = "CAMERA-SERIAL"
    exif.get_ifd(0x8825)[1] = "N"
    data = photo(exif=exif, comment=b"SECRET-COMMENT", icc_profile=b"PROFILE-OF-OURS")
    assert b"CAMERA-SERIAL" in data
    for one in images.crops(data, SIZES):
        for word in (b"CAMERA", b"SECRET", b"PROFILE-OF"):
            assert word not in one.data
        with Image.open(io.BytesIO(one.data)) as picture:
            assert not dict(picture.getexif())


def test_a_photo_taken_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    lying = Image.new("RGB", (1500, 1200), "white")
    lying.paste("black", (0, 0, 300, 1200))  # left, which is the top once it is turned
    lying.save(file, "JPEG", exif=exif)
    small = images.crops(file.getvalue(), SIZES)[2]
    with Image.open(io.BytesIO(small.data)) as picture:
        grey = picture.convert("L")
        assert grey.getpixel((180, 10)) < 60  # type: ignore[operator]
        assert grey.getpixel((180, 440)) > 200  # type: ignore[operator]


def test_what_was_see_through_becomes_white() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (800, 1000), (0, 0, 0, 0)).save(file, "PNG")
    small = images.crops(file.getvalue(), SIZES)[2]
    with Image.open(io.BytesIO(small.data)) as picture:
        assert picture.convert("L").getpixel((50, 50)) > 250  # type: ignore[operator]


def moving() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (800, 1000), colour) for colour in ("red", "black", "white")]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    return file.getvalue()


def with_preview() -> bytes:
    """A photo as some phones make it: a second, small picture behind the first."""
    file = io.BytesIO()
    large, small = Image.new("RGB", (800, 1000), "grey"), Image.new("RGB", (160, 200))
    large.save(file, "MPO", save_all=True, append_images=[small])
    return file.getvalue()


def test_a_photo_with_a_preview_inside_is_taken() -> None:
    assert len(images.crops(with_preview(), SIZES)) == 5


def gif() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (800, 1000)).save(file, "GIF")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"<!doctype html><script>alert(1)</script>", "not a picture"),
        (photo()[:400], "not a picture"),
        (gif(), "not a picture"),
        (empty_png(1200, 1500), "not a picture"),
        (empty_png(50_000, 50_000), "too many pixels"),
        (plain(5000, 3300), "too many pixels"),
        (photo(size=(200, 250)), "too small"),
        (moving(), "Moving"),
        (b"\xff" * (images.MAX_BYTES + 1), "too large"),
    ],
)
def test_what_is_no_usable_picture_is_refused_with_the_reason(data: bytes, word: str) -> None:
    with pytest.raises(images.PictureRefused) as refused:
        images.crops(data, SIZES)
    assert word in str(refused.value.message.__dict__.get("_args", refused.value.message))


def test_a_pixel_flood_takes_no_memory() -> None:
    flood = empty_png(50_000, 50_000)
    tracemalloc.start()
    with pytest.raises(images.PictureRefused):
        images.crops(flood, SIZES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
