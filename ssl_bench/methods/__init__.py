from ssl_bench.methods import insloc  # noqa: F401
from ssl_bench.methods import lewel  # noqa: F401
from ssl_bench.methods import pixcontrast  # noqa: F401
from ssl_bench.methods import pixpro  # noqa: F401
from ssl_bench.methods import siamese_im  # noqa: F401
from ssl_bench.methods import barlow_twins  # noqa: F401
