"""Writes the Parquet files of this folder with pyarrow, as a data set hub has WikiText: a column text,
one line a row, "" for a blank one."""
import os
import pyarrow as pa
import pyarrow.parquet as pq

here = os.path.dirname(os.path.abspath(__file__))


def write(path, lines, **options):
    path = os.path.join(here, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pq.write_table(pa.table({'text': pa.array(lines, pa.string())}), path, compression='snappy', **options)


train = ['', ' = Valkyria Chronicles III = \n', '', ' The game is the <unk> of the Game . \n']
write('hub/wikitext-2-v1/train-00000-of-00002.parquet', train[:3])
write('hub/wikitext-2-v1/train-00001-of-00002.parquet', train[3:])
write('hub/wikitext-2-v1/validation-00000-of-00001.parquet', ['', ' = The Game = \n', ' the new <unk> . \n'])
write('hub/wikitext-2-v1/test-00000-of-00001.parquet', ['', ' = III = \n'])
write('letters.parquet', ['a b', 'c d'])
for form in ['wikitext-2-v1', 'wikitext-2-raw-v1']:
    write(f'several/{form}/train-00000-of-00001.parquet', ['a'])
