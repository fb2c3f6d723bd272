"""InsLoc: the boxes that its views have."""

from PIL import ImageDraw

from ssl_bench.data.contact_sheet import KEY, QUERY, Sheet, marked

AUGMENTED = '#f8e71c'
LEGEND = (
    ('', '2 crops of one image, pasted onto other images:'),
    (QUERY, "the query's crop"),
    (KEY, "the key's crop"),
    (AUGMENTED, "an anchor that overlaps the query's crop"),
)


def mark_boxes(
    draw: ImageDraw.ImageDraw, sample, view: int, scale: float
) -> None:
    """The pasted instance of a view, and the query's augmented box."""
    colour = (QUERY, KEY)[view]
    draw.rectangle(
        (sample['boxes'][view] * scale).tolist(), outline=colour, width=2
    )
    if view == 0:
        draw.rectangle(
            (sample['augmented_box'] * scale).tolist(),
            outline=AUGMENTED,
            width=2,
        )


def box_sheet(config) -> Sheet:
    """How the samples of an InsLoc config are drawn."""
    return Sheet(marked(mark_boxes), legend=lambda item: LEGEND)
