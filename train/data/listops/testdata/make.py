"""Writes the Parquet files of this folder with pyarrow: ListOps in the layout of a data set hub."""
import os
import pyarrow as pa
import pyarrow.parquet as pq

here = os.path.dirname(os.path.abspath(__file__))


def table(first, n, names):
    sources = [f'( ( ( [MAX {i % 10} ) {(i * 7) % 10} ) ] )' for i in range(first, first + n)]
    return pa.table({names[0]: pa.array(sources, pa.string()), names[1]: pa.array([max(i % 10, i * 7 % 10) for i in range(first, first + n)], pa.int64())})


def write(path, t):
    path = os.path.join(here, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(t, path)


published, lower = ('Source', 'Target'), ('source', 'target')
for i in range(2):
    write(f'hub/data/train-0000{i}-of-00002.parquet', table(3 * i, 3 + i, published))
write('hub/data/validation-00000-of-00001.parquet', table(20, 2, lower))
write('hub/data/test-00000-of-00001.parquet', table(30, 3, published))
for split in ['train', 'val', 'test']:
    write(f'bad/{split}.parquet', pa.table({'source': ['( ( ( [MAX 1 ) 2 ) ] )', '( [MAX 1'], 'label': pa.array([2, 1], pa.int32())}))
    write(f'values/{split}.parquet', pa.table({'source': ['1'], 'label': pa.array([10], pa.int32())}))
write('missing/train.parquet', table(0, 1, lower))
write('empty/train.parquet', table(0, 0, lower))
