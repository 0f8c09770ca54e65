"""Writes the Parquet files of this folder with pyarrow: the pairs of the test's tables."""
import os
import pyarrow as pa
import pyarrow.parquet as pq

here = os.path.dirname(os.path.abspath(__file__))
texts = [f'paper {i}: ' + 'naïve 日本 "quoted" ' * i for i in range(6)]
for split, n, kind in [('train', 12, pa.float64()), ('validation', 5, pa.int64()), ('test', 4, pa.int32())]:
    pairs = [(i % 2, texts[i % 6], texts[(i * i + 1) % 6]) for i in range(n)]
    table = pa.table({'label': pa.array([p[0] for p in pairs], kind), 'text1': [p[1] for p in pairs], 'text2': [p[2] for p in pairs]})
    os.makedirs(os.path.join(here, 'hub', 'data'), exist_ok=True)
    pq.write_table(table, os.path.join(here, 'hub', 'data', f'{split}-00000-of-00001.parquet'), compression='zstd')
