# PixContrast R-50 (arXiv:2011.10043, Sec. 3.1), 100 epochs: PixPro's recipe
# with a pixel contrast for a loss. Not in the released code.
_base_ = 'pixpro_r50_100e.py'
method = dict(name='PixContrast')
model = dict(type='PixContrast', temperature=0.3)
edit = {'model.propagation': dict(_delete_=True)}
