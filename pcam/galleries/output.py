"""The files of a gallery: a page, and a folder of pictures beside it."""

from pathlib import Path

from pcam.galleries.gallery import Gallery
from pcam.galleries.page import picture_name, render_gallery
from pcam.runs.files import write_file

PICTURES = "patch-*.jpg"
MARK = 'content="pcam gallery"'  # of the page's template


def write_gallery(gallery: Gallery, folder: Path, name: str = "gallery") -> Path:
    """Write NAME.html and the pictures in NAME/; those of an earlier gallery are deleted.

    The page comes first, so that ``delete_gallery`` finds the pictures of one that was interrupted.

    Args:
        gallery: any.
        folder: where to.
        name: of the page and of the pictures' folder.

    Returns:
        The page.
    """
    delete_gallery(folder, name)
    page = folder / f"{name}.html"
    write_file(page, render_gallery(gallery, name))
    for index, patch in gallery.patches.items():
        write_file(folder / name / picture_name(index), patch.picture)
    return page


def delete_gallery(folder: Path, name: str = "gallery") -> None:
    """Delete the page of an earlier gallery and the pictures that it shows; other files stay.

    A page of that name that is of something else stays too.

    Args:
        folder: of the page.
        name: of the page and of the pictures' folder.
    """
    page = folder / f"{name}.html"
    if not page.is_file():
        return
    content = page.read_text("utf-8", errors="replace")
    if MARK not in content:
        return
    pictures = folder / name
    for picture in pictures.glob(PICTURES):
        if f"{name}/{picture.name}" in content:
            picture.unlink()
    if pictures.is_dir() and not any(pictures.iterdir()):
        pictures.rmdir()
    page.unlink()
