"""The one part that is compiled; everything else is in pyproject.toml."""

import os

from setuptools import Extension, setup

PRORES = "src/film_archive/media/prores"
STABLE_API = "0x030B0000"  # Python 3.11 and all after it load what is built for it

OPTIMISED = [
    *("-std=c11", "-O3"),
    # The same bytes on every machine: no fused multiply-add. What else is relaxed changes no finite number.
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-ffinite-math-only", "-fno-signed-zeros"),
]

setup(
    ext_modules=[
        Extension(
            "film_archive.media.prores._reduced",
            sources=[f"{PRORES}/_reduced.c", f"{PRORES}/picture.c"],
            depends=[f"{PRORES}/{name}.h" for name in ("picture", "slice", "codes", "transform")],
            define_macros=[("Py_LIMITED_API", STABLE_API)],
            py_limited_api=True,
            extra_compile_args=[] if os.name == "nt" else OPTIMISED,
            optional=True,  # without a compiler ProRes is decoded in full
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
