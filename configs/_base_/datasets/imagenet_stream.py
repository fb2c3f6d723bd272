# How mmpretrain's recipes read ImageNet here: by our dataset, in RGB. It draws
# by (seed, epoch, image) alone and so resumes exactly; it names, counts and
# replaces unreadable images. The config replaces the recipe's pipeline by
# MakeViews, with the same views.
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
    'train_dataloader.num_workers': 8,  # as all of ours; some have 4
    'train_dataloader.drop_last': False,  # the sampler has dropped it
    # replaced, since the recipe's has a scope that the function would get
    'train_dataloader.collate_fn': dict(_delete_=True, type='default_collate'),
    'train_dataloader.dataset': dict(
        _keep_=['pipeline'],
        type='PretrainDataset',
        data_root='data/imagenet/train',
    ),
    'data_preprocessor.to_rgb': False,  # it would swap the channels
}
