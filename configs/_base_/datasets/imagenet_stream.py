# How mmpretrain's recipes read ImageNet here: their own views, made of one
# decode by our dataset. It draws by (seed, epoch, image) alone and so resumes
# exactly; it names, counts and replaces unreadable images.
custom_imports = dict(
    imports=[
        'ssl_bench.methods',
        'ssl_bench.data.transforms',
        'ssl_bench.engine',
    ],
    allow_failed_imports=False,
)
edit = {
    # the released programs of these methods drop the incomplete batch
    'train_dataloader.sampler': dict(
        _delete_=True, type='StreamSampler', shuffle=True, drop_last=True
    ),
    'train_dataloader.drop_last': False,  # the sampler has dropped it
    # replaced, since the recipe's has a scope that the function would get
    'train_dataloader.collate_fn': dict(_delete_=True, type='default_collate'),
    'train_dataloader.dataset': dict(
        _keep_=['pipeline'],
        type='PretrainDataset',
        data_root='data/imagenet/train',
        channel_order='bgr',  # as mmpretrain's own reader
    ),
    # the dataset reads the files
    'train_dataloader.dataset.pipeline.LoadImageFromFile': dict(_delete_=True),
}
