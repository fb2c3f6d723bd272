# Which maps CAPI's probes of patches take, and how they are stored.
probe = dict(
    maps=dict(
        layers='last',
        stages=(4,),  # of a network that has stages: our reading
        final_norm=True,
        class_token=False,
        padding='none',  # a patch is a square of whole pixels of the label
    ),
    precision='float16',  # of the features on disk
)
