# in1k_linear_cached on the embedded image folder: the features of mini_knn.
_base_ = './mini_knn.py'

probe = dict(
    _delete_=True,
    type='linear',
    rates=[0.1, 0.3, 1.0, 3.0, 10.0, 30.0],
    epochs=50,
    batch_size=80,
    momentum=0.9,
)
expected = []  # nothing published
