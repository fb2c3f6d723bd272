"""Names of the embedded data: classes, colours, category ids. No imports."""

#: Class names in alphabetical order, so that an image folder's labels and
#: every other set's labels are the same numbers.
CLASSES = (
    'arrow',
    'crescent',
    'cross',
    'heart',
    'ring',
    'square',
    'star',
    'triangle',
)

#: COCO category ids of `CLASSES`: increasing, with gaps, as in real COCO.
CATEGORY_IDS = (1, 2, 4, 5, 9, 11, 17, 22)


def voc_colour(index: int) -> tuple:
    """PASCAL VOC's colour of a label (VOCdevkit: VOClabelcolormap.m).

    Bits 0, 1, 2 of the label, then of label / 8, and so on, become the
    highest bits of red, green and blue.
    """
    colour = [0, 0, 0]
    for shift in range(8):
        for channel in range(3):
            colour[channel] |= (index >> channel & 1) << (7 - shift)
        index >>= 3
    return tuple(colour)


#: Colour of each of `CLASSES`, for pictures of boxes and masks.
PALETTE = tuple(voc_colour(index + 1) for index in range(len(CLASSES)))

#: Labels of the segmentation maps; 255 is void.
SEG_CLASSES = ('background', *CLASSES)
SEG_PALETTE = (voc_colour(0), *PALETTE)
