"""Writes the Parquet files of this folder with pyarrow, in the layouts of a data set hub."""
import io, os, struct, zlib
import pyarrow as pa
import pyarrow.parquet as pq

here = os.path.dirname(os.path.abspath(__file__))


def png(width, height, rows):
    """A PNG of 8 bits, gray or RGB: rows of width or 3 width bytes."""
    def chunk(kind, body):
        return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
    colour = 0 if len(rows[0]) == width else 2
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, colour, 0, 0, 0))
            + chunk(b'IDAT', zlib.compress(b''.join(b'\0' + r for r in rows))) + chunk(b'IEND', b''))


def write(path, table, **options):
    path = os.path.join(here, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(table, path, **options)


def reviews(split, n):
    words = ['awful', 'great', 'naïve', 'film', '日本', 'a\r\nb', '"quoted"', '<br />']
    text = [f'{split} {i}: ' + ' '.join(words[(i * j) % len(words)] for j in range(i % 7)) for i in range(n)]
    label = [i % 2 for i in range(n)]
    return pa.table({'text': pa.array(text, pa.string()), 'label': pa.array(label, pa.int64())})


# imdb: text, label; one file for a split, several groups of rows.
for split, n, options in [('train', 25, dict(compression='snappy', row_group_size=10)),
                          ('test', 11, dict(compression='snappy', use_dictionary=False)),
                          ('unsupervised', 3, dict(compression='snappy'))]:
    write(f'imdb/plain_text/{split}-00000-of-00001.parquet', reviews(split, n), **options)

# mnist, cifar10: a struct of the bytes of a PNG and a path; a label.
for name, column, side, channels in [('mnist', 'image', 28, 1), ('cifar10', 'img', 32, 3)]:
    for split, n in [('train', 4), ('test', 2)]:
        images = [{'bytes': png(side, side, [bytes((i + y + x) % 256 for x in range(side * channels)) for y in range(side)]), 'path': None if name == 'cifar10' else f'{i}.png'}
                  for i in range(n)]
        table = pa.table({column: pa.array(images, pa.struct([('bytes', pa.binary()), ('path', pa.string())])), 'label': pa.array([i % 10 for i in range(n)], pa.int64())})
        write(f'{name}/{split}-00000-of-00001.parquet', table, compression='snappy')

# wikitext: text, one line a row, in two files; large strings as later writers have them.
lines = ['', ' = Robert Boulter = \n', '', ' Robert Boulter is an English film , television and theatre actor . \n', ' He had a guest @-@ starring role \n']
for i in range(2):
    write(f'wikitext/data/train-0000{i}-of-00002.parquet', pa.table({'text': pa.array(lines[2 * i:2 * i + 3], pa.large_string())}), compression='zstd')

# One table in every form: nulls, all kinds, all compressions, plain and by a dictionary, pages V1 and V2.
n = 120
every = pa.table({
    'text': pa.array([None if i % 7 == 3 else f'row {i % 50} ' + 'x' * (i % 13) for i in range(n)], pa.string()),
    'small': pa.array([i - 150 for i in range(n)], pa.int32()),
    'large': pa.array([(i * i) << 20 for i in range(n)], pa.int64()),
    'byte': pa.array([i % 100 for i in range(n)], pa.uint8()),
    'truth': pa.array([i % 3 == 0 for i in range(n)], pa.bool_()),
    'float': pa.array([i / 4 for i in range(n)], pa.float32()),
    'double': pa.array([None if i % 5 == 0 else i / 8 for i in range(n)], pa.float64()),
    'fixed': pa.array([bytes([i % 256, i // 256, 7]) for i in range(n)], pa.binary(3)),
    'in': pa.array([None if i % 11 == 0 else {'a': {'b': None if i % 4 == 0 else i}} for i in range(n)], pa.struct([('a', pa.struct([('b', pa.int64())]))])),
    'list': pa.array([[i] * (i % 3) for i in range(n)], pa.list_(pa.int64())),
    'date': pa.array([i for i in range(n)], pa.date32()),
})
for compression in ['none', 'snappy', 'gzip', 'zstd']:
    for dictionary in [True, False]:
        for version in ['1.0', '2.0']:
            write(f'every/{compression}-{"dictionary" if dictionary else "plain"}-v{version[0]}.parquet', every, compression=compression, use_dictionary=dictionary,
                  data_page_version=version, data_page_size=256, write_batch_size=32, row_group_size=80, write_page_checksum=version == '2.0', store_schema=False)

# What is not read, for the errors.
tiny = pa.table({'text': ['a', 'b'], 'label': pa.array([1, 2], pa.int64())})
for compression in ['brotli', 'lz4']:
    write(f'other/{compression}.parquet', tiny, compression=compression)
write('other/delta.parquet', tiny, use_dictionary=False, column_encoding={'text': 'DELTA_LENGTH_BYTE_ARRAY', 'label': 'DELTA_BINARY_PACKED'})
write('other/empty.parquet', tiny.slice(0, 0))

# A page that unpacks to 64 MiB from a few kilobytes.
write('other/bomb.parquet', pa.table({'text': ['a' * (64 << 20)]}), compression='zstd', use_dictionary=False)
