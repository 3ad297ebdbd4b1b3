"""The files of a gallery: a page, and a folder of pictures beside it."""

from pathlib import Path

from pcam.galleries.gallery import Gallery
from pcam.galleries.page import picture_name, render_gallery
from pcam.runs.files import write_file

PICTURES = "patch-*.jpg"


def write_gallery(gallery: Gallery, folder: Path, name: str = "gallery") -> Path:
    """Write NAME.html and the pictures in NAME/; those of an earlier gallery are deleted.

    Args:
        gallery: any.
        folder: where to.
        name: of the page and of the pictures' folder.

    Returns:
        The page.
    """
    delete_gallery(folder, name)
    for index, patch in gallery.patches.items():
        write_file(folder / name / picture_name(index), patch.picture)
    page = folder / f"{name}.html"
    write_file(page, render_gallery(gallery, name))
    return page


def delete_gallery(folder: Path, name: str = "gallery") -> None:
    """Delete the page and the pictures of an earlier gallery; other files stay.

    Args:
        folder: of the page.
        name: of the page and of the pictures' folder.
    """
    (folder / f"{name}.html").unlink(missing_ok=True)
    for picture in (folder / name).glob(PICTURES):
        picture.unlink()
