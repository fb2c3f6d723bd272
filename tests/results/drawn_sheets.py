"""Sheets as runs leave them, for tests of the page."""

from PIL import Image

from ssl_bench.sheet_file import (
    PREDICTED,
    PREDICTIONS,
    TRUTH,
    VIEWS,
    Contents,
    Tile,
    save_sheet,
)

LEGEND = [('', 'Boxes from 0.3 on.'), ('#c86400', 'dog'), ('#00005a', 'cat')]
WIDTH, HEIGHT = 60, 40


def leave_predictions(
    folder, colour, images=3, note='', seed=0, legend=LEGEND
):
    """A sheet of white truths and predictions of one colour."""
    sheet = Image.new('RGB', (2 * WIDTH, 20 + images * HEIGHT), 'white')
    tiles = []
    for i in range(images):
        top = 20 + i * HEIGHT
        box = (WIDTH, top, 2 * WIDTH, top + HEIGHT)
        sheet.paste(Image.new('RGB', (WIDTH, HEIGHT), colour), box)
        left = (0, top, WIDTH, top + HEIGHT)
        tiles += [
            Tile(f'{i}.jpg', TRUTH, left),
            Tile(f'{i}.jpg', PREDICTED, box, note),
        ]
    folder.mkdir(parents=True, exist_ok=True)
    contents = Contents(PREDICTIONS, legend, tiles, seed=seed)
    save_sheet(sheet, folder / 'predictions.png', contents)


def leave_views(folder, config, colour='grey', seed=0):
    """A sheet of a pretraining's views."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = Contents(
        VIEWS, [('#00d26a', "the query's crop")], config=config, seed=seed
    )
    save_sheet(
        Image.new('RGB', (90, 50), colour), folder / 'views.png', contents
    )
