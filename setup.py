from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = next(
    line.split("'")[1]
    for line in (ROOT / 'ssl_bench/__init__.py').read_text().splitlines()
    if line.startswith('__version__')
)

setup(
    name='ssl-bench',
    version=VERSION,
    description='Transfer-learning benchmark harness for self-supervised '
    'visual pretraining, on the OpenMMLab toolkits',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    # configs and suites are installed below the package, where load_config
    # and read_suite look
    packages=find_packages(include=['ssl_bench', 'ssl_bench.*'])
    + ['ssl_bench.configs', 'ssl_bench.suites'],
    package_dir={'ssl_bench.configs': 'configs', 'ssl_bench.suites': 'suites'},
    package_data={
        'ssl_bench': [
            'py.typed',
            'results/*.csv',
            'results/page/*',
            'results/page/sections/*',
            'tasks/*.txt',
        ],
        'ssl_bench.configs': ['**/*.py'],
        'ssl_bench.suites': ['**/*.yaml'],
    },
    install_requires=[
        'altair>=5.4',
        'argcomplete>=3.5,<4',  # the Tab key
        'torch>=2.6,<3',
        'torchvision>=0.21,<1',
        'onedl-mmengine>=0.10.12,<0.11',
        'onedl-mmcv>=2.3.6,<2.4',
        'onedl-mmdetection>=3.5.1,<3.6',
        'onedl-mmsegmentation>=1.4.2,<1.5',
        'onedl-mmpretrain>=1.3.6,<1.4',
        # same platforms as torch's wheels; equal numbers are tested
        'faster-coco-eval>=1.8,<2',
        'jinja2>=3.1',
        'msgspec>=0.19',
        'numba>=0.61',
        'numpy',
        'packaging',
        'pillow',
        'pycocotools>=2.0.7',
        'pydantic>=2.7',
        'rich',
        'safetensors>=0.4.3',
        'scikit-image>=0.24',
        'scikit-learn>=1.4',
        'scipy',
        'tensorboard>=2.16',
        'timm>=1.0.31,<2',
        'vl-convert-python>=1.6',
    ],
    extras_require={
        # what builds the documentation: make docs
        'docs': [
            'mkdocs>=1.6,<2',
            'mkdocs-material>=9.6,<10',
            'mkdocstrings[python]>=1',
        ],
        'test': [
            'axe-core-python>=0.1,<1',  # axe.min.js alone, for the page
            'ipykernel>=6',  # the notebook of the documentation
            'lmdb>=1.4',
            'lvis>=0.5.3',
            'mlflow>=3',
            'mypy>=1.15',
            'nbclient>=0.10',
            'nbformat>=5.10',
            'pandas',
            'peft>=0.21',
            'pyarrow>=15',
            'pytest>=8',
            'pytest-xdist>=3.5',
            'ruff>=0.12',
            'selenium>=4.20',
            'submitit>=1.5',
            'transformers>=5',
            'wandb>=0.19',
        ],
        'lmdb': ['lmdb>=1.4'],  # images of a pretraining in an LMDB database
        'lora': ['peft>=0.21'],  # --train lora:RANK
        'lvis': ['lvis>=0.5.3'],  # lvis_vitdet_b
        'mlflow': ['mlflow>=3'],  # --track mlflow
        'pandas': ['pandas'],  # ssl_bench.results.load
        'parquet': ['pyarrow>=15'],  # in Parquet or Arrow files
        'slurm': ['submitit>=1.5'],
        'wandb': ['wandb>=0.19'],  # --track wandb
    },
    entry_points={'console_scripts': ['ssl-bench=ssl_bench.cli:main']},
)
