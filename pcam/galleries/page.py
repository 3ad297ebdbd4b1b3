"""A gallery as an HTML page whose pictures are files beside it."""

from collections.abc import Iterator

from pcam.galleries.gallery import Gallery
from pcam.galleries.groups import Group
from pcam.galleries.pictures import size_of
from pcam.runs.pages import page_environment


def render_gallery(gallery: Gallery, pictures: str) -> str:
    """Return the page of a gallery.

    Args:
        gallery: any.
        pictures: name of the folder of its pictures, beside the page.
    """
    environment = page_environment("pcam.galleries")
    return environment.get_template("gallery.html.j2").render(
        title=gallery.subject.title,
        subject=gallery.subject,
        panels=gallery.panels,
        notes=gallery.notes,
        square=gallery.square,
        sections=dict(_sections(gallery)),
        patches=gallery.patches,
        sizes={index: size_of(patch.picture) for index, patch in gallery.patches.items()},
        addresses={index: f"{pictures}/{picture_name(index)}" for index in gallery.patches},
        positive=gallery.subject.classes[1],
    )


def picture_name(index: int) -> str:
    """Return the name of a patch's picture: its index in the split, never text from a file."""
    return f"patch-{index:06d}.jpg"


def _sections(gallery: Gallery) -> Iterator[tuple[str, list[Group]]]:
    """Yield the sections of the page with their groups."""
    for name in dict.fromkeys(group.section for group in gallery.groups):
        yield name, [group for group in gallery.groups if group.section == name]
