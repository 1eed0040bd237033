"""Writes parquet files whose texts have their lengths before them, with Arrow.

    python make_parquet.py        (pyarrow 26)
"""

import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).parent / "parquet"
TEXTS = [f"the {i % 700} sentence of {i // 7} many" for i in range(3000)]
TEXTS[5] = "x"
LABELS = [i % 3 for i in range(3000)]

for encoding in ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]:
    for version in ["1.0", "2.0"]:
        pq.write_table(
            pa.table({"a": TEXTS, "label": LABELS}),
            FOLDER / f"{encoding.lower()}-{version}.parquet",
            use_dictionary=False,
            column_encoding={"a": encoding, "label": "DELTA_BINARY_PACKED"},
            data_page_version=version,
            compression="zstd",
            data_page_size=4096,
        )
