# How mmpretrain's recipes read ImageNet here: their own views, made of one
# decode by our data set, which draws by (seed, epoch, image) alone and so
# resumes exactly, and which names, counts and replaces unreadable images.
# A config puts it in place of the recipe's, without the step that reads files:
#     train_dataloader = _base_.stream
#     train_dataloader.dataset.pipeline = _base_.train_pipeline[1:]
custom_imports = dict(
    imports=['ssl_bench.data.transforms'], allow_failed_imports=False
)
stream = dict(
    # the released programs of these methods drop the incomplete batch
    sampler=dict(type='StreamSampler', shuffle=True, drop_last=True),
    drop_last=False,  # of the loader: the sampler has done so
    # a scope inherited with it would be passed to the function
    collate_fn=dict(_delete_=True, type='default_collate'),
    dataset=dict(
        _delete_=True,
        type='PretrainDataset',
        data_root='data/imagenet/train',
        channel_order='bgr',
    ),
)  # as mmpretrain's own reader
