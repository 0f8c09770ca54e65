package aan

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/size"
	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/text"
)

// PassageConfig describes pairs of passages of books. A zero field stands for a default.
type PassageConfig struct {
	Config
	// Train, Val and Test are the numbers of pairs, half of them of one book each;
	// 0 means 20000, 2000 and 2000.
	Train int `json:"train"`
	Val   int `json:"val"`
	Test  int `json:"test"`
	// Passage is the number of characters of a passage; 0 means what LMax leaves.
	Passage int `json:"passage"`
	// Seed chooses the passages of each split and the pairs.
	Seed uint64 `json:"seed"`
}

// withDefaults returns c with its zero fields filled in.
func (c PassageConfig) withDefaults() PassageConfig {
	c.Config = c.Config.withDefaults()
	c.Train = cmp.Or(c.Train, 20000)
	c.Val = cmp.Or(c.Val, 2000)
	c.Test = cmp.Or(c.Test, 2000)
	c.Passage = cmp.Or(c.Passage, c.cut().Most)
	return c
}

// Validate reports the first field that is out of range.
func (c PassageConfig) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	c = c.withDefaults()
	for i, n := range []int{c.Train, c.Val, c.Test} {
		if n < 4 || n%4 != 0 || n > maxPairs {
			return fmt.Errorf("aan: PassageConfig.%s: want 0 for the default or a multiple of 4 in [4, %d], got %d", []string{"Train", "Val", "Test"}[i], maxPairs, n)
		}
	}
	if c.Passage < 1 || c.Passage > size.MaxLength {
		return fmt.Errorf("aan: PassageConfig.Passage: want 0 for the default or in [1, %d], got %d", size.MaxLength, c.Passage)
	}
	return nil
}

// Shares of a book's passages that are for validation and test, and how many of them a
// split has at least.
const (
	heldShare   = 0.1
	minPassages = 2
)

// Passages makes pairs of passages from the books of path, a folder or an archive with a
// file *.txt for each: of one book (class 1), or of two (class 0), as many of either.
// A book is cut into passages one after the other; the first, which has its title, is
// left out, and each of the others is in one split alone. The pairs of two books have
// the very passages of the pairs of one book, in the same places, so that no passage by
// itself tells anything about the class. A book is in pairs by the root of its length:
// which passages are of the longest would else be most of the task. Books of less than
// seven passages are passed over. The pairs follow from the books and from cfg alone;
// nothing is cached.
func Passages(ctx context.Context, path string, cfg PassageConfig, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	books, err := readBooks(ctx, path, cfg.Passage)
	if err != nil {
		return nil, fmt.Errorf("aan: %w", err)
	}
	var tables [3]*table
	for i, n := range []int{cfg.Train, cfg.Val, cfg.Test} {
		m := &matcher{rng: rand.New(rand.NewPCG(cfg.Seed, uint64(i)+1)), books: split3(books, cfg.Seed, i)}
		if tables[i], err = m.table(cfg.cut(), n); err != nil {
			return nil, fmt.Errorf("aan: %s: %w", path, err)
		}
	}
	p, err := merge(tables)
	if err != nil {
		return nil, fmt.Errorf("aan: %s: %w", path, err)
	}
	d, err := newData(ctx, path, cfg.Config, p, room)
	if err != nil {
		return nil, fmt.Errorf("aan: %w", err)
	}
	return d, nil
}

// book is a book in passages.
type book struct {
	name     string
	passages []passage
}

type passage struct {
	number int // in the book
	text   []byte
}

// readBooks reads the books in the order of their names, without the first passage of
// each.
func readBooks(ctx context.Context, root string, length int) ([]book, error) {
	const most = 1 << 30 // bytes
	var books []book
	err := data.Walk(ctx, root, data.Limits{Total: most}, func(m data.Member) error {
		if path.Ext(m.Name) != ".txt" || strings.HasPrefix(path.Base(m.Name), ".") {
			return nil
		}
		b, err := io.ReadAll(m)
		if err != nil {
			return err
		}
		bk := book{name: m.Name}
		for b, n := text.Clean(b), 0; len(b) > 0; n++ {
			head := text.Prefix(b, length)
			b = b[len(head):]
			if n > 0 && len(b) > 0 { // neither the first nor what is left at the end
				bk.passages = append(bk.passages, passage{n, head})
			}
		}
		if len(bk.passages) >= 3*minPassages {
			books = append(books, bk)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(books) < 2 {
		return nil, fmt.Errorf("%s: want at least two files *.txt of %d passages of %d characters and more, got %d", filepath.Clean(root), 3*minPassages+1, length, len(books))
	}
	slices.SortFunc(books, func(a, b book) int { return cmp.Compare(a.name, b.name) })
	return books, nil
}

// split3 returns the books with the passages that split i of three has.
func split3(books []book, seed uint64, i int) []book {
	rng := rand.New(rand.NewPCG(seed, 0))
	part := make([]book, len(books))
	for k, b := range books {
		order := rng.Perm(len(b.passages))
		held := max(minPassages, int(heldShare*float64(len(order))))
		order = [][]int{order[2*held:], order[:held], order[held : 2*held]}[i]
		slices.Sort(order)
		part[k].name = b.name
		for _, at := range order {
			part[k].passages = append(part[k].passages, b.passages[at])
		}
	}
	return part
}

// matcher makes the pairs of a split.
type matcher struct {
	rng   *rand.Rand
	books []book
}

// match is a pair of passages.
type match struct{ book, passage, book2, passage2 int }

// table returns n pairs, half of either class.
func (m *matcher) table(c cut, n int) (*table, error) {
	related := m.related(n / 2)
	all := slices.Concat(related, m.unrelated(related))
	m.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	t := newTable(c)
	for _, p := range all {
		a, b := m.books[p.book], m.books[p.book2]
		x, y := a.passages[p.passage], b.passages[p.passage2]
		label := uint8(0)
		if p.book == p.book2 {
			label = 1
		}
		if err := t.pair(x.text, y.text, label, fmt.Sprintf("%s passage %d, %s passage %d", a.name, x.number, b.name, y.number)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// related returns n pairs, an even number, of one book each, those of a book one after
// the other. The share of a book goes with the root of the number of its passages, so
// that none is most of what there is to know, and is no more than half.
func (m *matcher) related(n int) []match {
	order, weights, of := make([]int, len(m.books)), make([]float64, len(m.books)), 0.
	for k, b := range m.books {
		order[k], weights[k] = k, math.Sqrt(float64(len(b.passages)))
		of += weights[k]
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(weights[j], weights[i]) })
	matches := make([]match, 0, n)
	for i, k := range order {
		share := n - len(matches) // of the last book
		if i < len(order)-1 {
			share = int(math.Round(float64(share) * weights[k] / of))
		}
		count := len(m.books[k].passages)
		for range min(share, n/2) {
			x := m.rng.IntN(count)
			y := (x + 1 + m.rng.IntN(count-1)) % count
			matches = append(matches, match{k, x, k, y})
		}
		of -= weights[k]
	}
	return matches
}

// unrelated returns pairs of two books each, with the passages of the related ones.
func (m *matcher) unrelated(related []match) []match {
	n := len(related)
	second := make([]int, n) // the related pair whose second passage each gets
	largest := m.largest(related)
	for i := range second {
		second[i] = (i + largest) % n // is of another book: no book has more than half
	}
	for range 8 * n {
		i, j := m.rng.IntN(n), m.rng.IntN(n)
		if related[i].book != related[second[j]].book && related[j].book != related[second[i]].book {
			second[i], second[j] = second[j], second[i]
		}
	}
	matches := make([]match, 0, n)
	for i, r := range related {
		s := related[second[i]]
		matches = append(matches, match{r.book, r.passage, s.book2, s.passage2})
	}
	return matches
}

// largest returns how many pairs the book has that has most.
func (m *matcher) largest(related []match) int {
	count := make([]int, len(m.books))
	for _, r := range related {
		count[r.book]++
	}
	return slices.Max(count)
}
