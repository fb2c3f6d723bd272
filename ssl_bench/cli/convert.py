"""Turn any checkpoint into a verified backbone, or other formats.

The encoder is found by the names of its tensors, proven complete, and
written with a header that says where it came from. Nothing is written when a
tensor is missing, unexpected or of another shape.
"""

import argparse
from pathlib import Path

from ssl_bench.errors import printable
from ssl_bench.header_fields import add_option, read_fields

TARGETS = (
    'backbone',
    'torchvision',
    'timm',
    'mmdet',
    'mmseg',
    'mmpretrain',
    'detectron2',
    'hf',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ssl-bench convert``."""
    parser.add_argument(
        'input',
        help='the checkpoint to read: a file, a folder, or a published '
        'name (timm:NAME, hf:OWNER/REPO, torchhub:REPO:ENTRY)',
    )
    parser.add_argument('output', help='the file to write (hf: the folder)')
    parser.add_argument(
        '--from',
        dest='from_format',
        metavar='FORMAT',
        help='who wrote it, instead of recognising it by its names',
    )
    parser.add_argument(
        '--to',
        default='backbone',
        choices=TARGETS,
        metavar='KIND',
        help=f'what to write: {", ".join(TARGETS)} (default: %(default)s)',
    )
    parser.add_argument('--arch', help='refuse anything else: r50, vitb16 ...')
    parser.add_argument(
        '--branch',
        choices=('online', 'target'),
        help='the trained encoder or its momentum copy (default: the one '
        'that the authors evaluate)',
    )
    parser.add_argument(
        '--prefix',
        help="the prefix of the encoder's names, for files of no known format",
    )
    parser.add_argument(
        '--drop',
        nargs='+',
        action='extend',
        default=[],
        metavar='NAME',
        help='beginnings of encoder names to leave aside',
    )
    add_option(parser, 'header fields')
    parser.add_argument(
        '--image-size',
        type=int,
        metavar='PIXELS',
        help="resize a ViT's position table for images of this side",
    )
    parser.add_argument(
        '--force', action='store_true', help='replace the output if it exists'
    )
    parser.add_argument(
        '--trust',
        action='store_true',
        help='unpickle any class in the file, which runs its code',
    )
    parser.add_argument(
        '--allow-nan',
        action='store_true',
        help='take weights with NaN or infinite values, which are refused '
        'otherwise',
    )


def run(args: argparse.Namespace) -> int:
    """Convert, and print what arrived."""
    from ssl_bench.checkpoints.convert import convert
    from ssl_bench.checkpoints.export import export
    from ssl_bench.checkpoints.position import resize_backbone
    from ssl_bench.files import keep_existing, keep_input

    files = ('model.safetensors', 'config.json', 'preprocessor_config.json')
    keep_input(args.output, args.input, *files)
    output = Path(args.output)
    folder = args.to == 'hf' or (
        args.to == 'timm' and not output.suffix and not output.is_file()
    )
    for name in files if folder else ('',):
        keep_existing(output / name, args.force)
    backbone, report = convert(
        args.input,
        args.from_format,
        args.arch,
        args.branch,
        args.trust,
        args.prefix,
        args.drop,
        read_fields(args.meta),
        args.allow_nan,
    )
    if args.image_size is not None:
        backbone, done = resize_backbone(backbone, args.image_size)
        report.notes.append(done)
    lines = export(args.output, backbone, args.to)
    said = (
        f'{args.input}: {backbone.arch}, read as '
        f'{backbone.meta["source_format"]}\n{report.summary()}\n'
        f'wrote {args.output} ({args.to})'
    )
    print(printable(said))
    if lines:
        print(f'load it with:\n\n{lines}')
    return 0
