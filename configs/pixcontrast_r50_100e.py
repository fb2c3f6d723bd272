# PixContrast R-50 (arXiv:2011.10043, Sec. 3.1), 100 epochs: PixPro's recipe
# with a pixel contrast for a loss. Not in the released code.
_base_ = 'pixpro_r50_100e.py'
method = dict(name='PixContrast')
edit = {
    'model': dict(
        _keep_=['backbone', 'neck'],
        type='PixContrast',
        threshold=0.7,
        temperature=0.3,
        momentum=0.99,
    )
}
