# Hooks of every pretraining, in the order in which they are registered.
# `ssl-bench pretrain` adds them to a config's `custom_hooks`, except those
# that `custom_hooks` has itself. A config with a list of its own under this
# name replaces the list; one that does not inherit from this file (those over
# mmpretrain's recipes) gets it as it is here.
#
# One more hook is added on request: ProgressHook with `--quiet`.
pretraining_hooks = [
    # random numbers of a step depend on seed, step and process only
    dict(type='StepSeedHook'),
    # the model is told the length of the run
    dict(type='RunSizeHook'),
    # a loss or a weight that is not finite stops the run
    dict(type='FiniteLossHook'),
    # logs how much the features differ; warns when they no longer do
    dict(type='CollapseHook'),
    # says what is read; stops when more images of a PretrainDataset cannot be
    # read than its `unreadable_limit` (0.01 of them)
    dict(type='UnreadableImagesHook'),
    # draws what the method was shown into views.png when the run is done: as
    # many images as the setting `view_sheet` says (8; 0: no sheet)
    dict(type='ViewSheetHook'),
]
