"""Commands and code of the pages that no test can run or parse, and why.

An exception that nothing on the pages needs is an error, too.
"""

OWN_FILES = 'a file that the page shows; test_own_files.py runs it'
# the beginning of a command, to the reason
COMMANDS = {
    'export ': 'sets a variable of the shell',
    'mlflow server': "starts another project's server",
    'pre-commit install': 'a program that the tests do not install',
    'source .venv/bin/activate': 'changes the shell',
    'ssl-bench data check flowers_knn': 'the task that the page writes above',
    'ssl-bench methods show mine_r18.py': OWN_FILES,
    'ssl-bench pretrain mine_r18.py': OWN_FILES,
    'ssl-bench transfer work_dirs/mine_r18': OWN_FILES,
    'tensorboard --logdir': "starts another project's server",
    'wandb login': 'asks for a key',
}
# a text of a Python block, to the reason why the block is only parsed
PYTHON = {
    '/data/out': 'printed by convert; tests/checkpoints/test_snippets.py runs it',
    'class Mine(BaseSelfSupervisor):': 'a class without its imports',
    "custom_imports = dict(imports=['mine'])": OWN_FILES,
}
