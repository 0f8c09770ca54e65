"""Writes the files of this folder with the tokenizers package (0.23.3): a byte-level BPE as GPT-2 has
it, in both of its formats, and the ids of texts.

    python make.py TEXT

TEXT is what it is trained on: the text of examples/wikitext/internal/book, unpacked."""
import json, os, sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

here = os.path.dirname(os.path.abspath(__file__))
text = open(sys.argv[1], encoding='utf-8').read()[:100_000]


def bpe(size, special, add_prefix_space=False):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.train_from_iterator(text.splitlines(keepends=True), trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return t


texts = [
    '', 'a', ' ', '\n', "Emma Woodhouse, handsome, clever, and rich, with a comfortable home", "I don't; we'll, they've I'm you're he'd it's 'Tis 'S 'x '",
    '  two  blanks   three    four ', '\n\n\nlines\n \n  \n\tTab\t\ttabs \n', 'trailing   ', 'x \n', ' \n y', '1234 5,678.90 ½ ² Ⅷ 3rd',
    'naïve café — “quoted” ‘it’s’ …', '日本語 русский العربية हिन्दी ไทย', '𝄞 😀👩‍👩‍👧 e\u0301', 'a\u00a0b\u2003c\u3000d\u2028e\x85f\x1cg', 'NUL\x00 \x01\x7f \ufffd \ufeff',
    'a<|endoftext|>b', '<|endoftext|>', ' <|endoftext|> <|endoftext|>\n', '<|endoftext|', 'supercalifragilisticexpialidocious' * 3, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
    text[5000:6500], text[-300:],
]
t = bpe(600, ['<|endoftext|>'])
t.save(os.path.join(here, 'tokenizer.json'))
t.model.save(here)  # vocab.json, merges.txt
json.dump([{'text': s, 'ids': t.encode(s).ids} for s in texts], open(os.path.join(here, 'ids.json'), 'w'), indent=0)

# The same with the blank that some put before a text.
p = bpe(300, [], add_prefix_space=True)
p.save(os.path.join(here, 'prefix.json'))
json.dump([{'text': s, 'ids': p.encode(s).ids} for s in texts], open(os.path.join(here, 'prefix-ids.json'), 'w'), indent=0)

# What training makes of a text of its own.
json.dump([list(m) for m in json.loads(bpe(500, []).to_str())['model']['merges']], open(os.path.join(here, 'merges-500.json'), 'w'))
