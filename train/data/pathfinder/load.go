package pathfinder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/train/data"
	"github.com/gorgonia-s4/s4/train/data/internal/pngfile"
)

const (
	// maxPNG bounds the bytes of the file of a picture; 256 x 256 pixels that cannot
	// be compressed take 64 KiB.
	maxPNG = 1 << 20
	// maxWaiting bounds the bytes of the files that wait to be decoded together.
	maxWaiting = 64 << 20
	// readerVersion changes whenever the same files would give other pictures.
	readerVersion = 1
)

// Load reads the published data set of cfg from path, which is one of
//
//   - the folder of a difficulty, such as curv_contour_length_14, with the folders
//     imgs/<number> of sample_<number>.png and with metadata/<number>.npy;
//   - a folder of that, such as pathfinder32, or of these, such as lra_release;
//   - a tar, tar.gz or zip of any of them.
//
// The metadata are lines of text, as in the release of Long Range Arena, or arrays,
// as the published generator writes them. The pictures are in the order of the
// numbers of these files, and then of their lines, and are drawn for the splits by
// cfg.Seed. The pictures of a folder are decoded once and then taken from the room's
// cache, unless a file has changed. A room with a limit decodes only what it lets in,
// unless all is in the cache, or in an archive.
//
// A picture that is missing, empty, damaged or of another size is an error that names
// it. The one that is empty in the published data, sample_172.png of the folder
// imgs/0 of curv_baseline of 32 pixels, is passed over, and the room is told.
func Load(ctx context.Context, path string, cfg Config, room data.Room) (*Data, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d, err := load(ctx, path, cfg.withDefaults(), room)
	if err != nil {
		return nil, fmt.Errorf("pathfinder: %w", err)
	}
	return d, nil
}

// load is Load for a valid cfg with its defaults filled in.
func load(ctx context.Context, path string, cfg Config, room data.Room) (*Data, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	s := &source{n: -1, origin: place{path, true}, files: true}
	if info.IsDir() {
		dir, err := setFolder(path, cfg)
		if err != nil {
			return nil, err
		}
		s.origin = place{path: dir}
		entries, err := cfg.listFolder(dir, room)
		if err != nil {
			return nil, err
		}
		s.n = len(entries)
		s.fetch = func(ctx context.Context, numbers []int) (*pictures, error) {
			return cfg.readFolder(ctx, dir, entries, numbers, room)
		}
	} else {
		s.fetch = func(ctx context.Context, _ []int) (*pictures, error) { return cfg.readArchive(ctx, path, room) }
	}
	if room.Cache != "" {
		sum, err := room.Checksum(ctx, s.origin.path)
		if err != nil {
			return nil, err
		}
		s.cache = room.Keep("pathfinder", fmt.Sprintf("%d-%s", cfg.Resolution, cfg.Difficulty), struct {
			Version    int        `json:"reader_version"`
			Resolution int        `json:"resolution"`
			Difficulty Difficulty `json:"difficulty"`
			Checksum   string     `json:"checksum"`
		}{readerVersion, cfg.Resolution, cfg.Difficulty, sum})
	}
	return s.load(ctx, cfg, room)
}

// place is the folder of the pictures, or an archive with it.
type place struct {
	path    string
	archive bool
}

// of returns where a file is: "curv_contour_length_14/imgs/0/sample_7.png", or
// "lra_release.tar.gz: imgs/0/sample_7.png".
func (p place) of(f file) string {
	if p.archive {
		return p.path + ": " + f.String()
	}
	return p.path + "/" + f.String()
}

// setName returns the name of the folder of a resolution.
func (c Config) setName() string { return fmt.Sprintf("pathfinder%d", c.Resolution) }

// isSet reports whether a name is that of the folder of a resolution.
func isSet(name string) bool {
	_, err := number(strings.TrimPrefix(name, "pathfinder"))
	return err == nil && strings.HasPrefix(name, "pathfinder")
}

// otherDifficulty reports whether a name is that of the folder of another difficulty.
func (c Config) otherDifficulty(name string) bool {
	return slices.ContainsFunc(Difficulties, func(d Difficulty) bool {
		_, folder := d.contour()
		return folder == name && d != c.Difficulty
	})
}

// setFolder returns the folder of the pictures of cfg in, or which is, path.
func setFolder(path string, cfg Config) (string, error) {
	_, difficulty := cfg.Difficulty.contour()
	below := []string{"", difficulty, cfg.setName() + "/" + difficulty}
	for _, release := range []string{"lra_release", "lra_release/lra_release"} {
		below = append(below, release+"/"+cfg.setName()+"/"+difficulty)
	}
	for _, b := range below {
		dir := filepath.Join(path, filepath.FromSlash(b))
		if info, err := os.Stat(filepath.Join(dir, "metadata")); err != nil || !info.IsDir() {
			continue
		}
		full, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		name, set := filepath.Base(full), filepath.Base(filepath.Dir(full))
		if cfg.otherDifficulty(name) || isSet(set) && set != cfg.setName() {
			return "", fmt.Errorf("%s: want the folder %s of %s", dir, difficulty, cfg.setName())
		}
		return dir, nil
	}
	return "", fmt.Errorf("%s: no data: want a folder %s/%s with the folders imgs and metadata", path, cfg.setName(), difficulty)
}

// stem returns the number of a file of metadata, <number>.npy. Other files that may
// be there, such as all of them in one, are not ok.
func stem(name string) (n int32, ok bool) {
	s, npy := strings.CutSuffix(name, ".npy")
	n, err := number(s)
	return n, npy && err == nil
}

// listFolder returns what the metadata of a folder say.
func (c Config) listFolder(dir string, room data.Room) ([]entry, error) {
	files, err := os.ReadDir(filepath.Join(dir, "metadata"))
	if err != nil {
		return nil, err
	}
	l := newListing()
	for _, f := range files {
		n, ok := stem(f.Name())
		if !ok {
			continue
		}
		name := filepath.Join(dir, "metadata", f.Name())
		err := data.ReadFile(name, func(r io.Reader, size int64) error { return l.read(n, r, size) })
		if err != nil {
			return nil, err
		}
	}
	return l.entries(func(f file) bool {
		name := filepath.Join(dir, filepath.FromSlash(f.String()))
		info, err := os.Stat(name)
		empty := err == nil && info.Size() == 0 && c.publishedEmpty(f)
		if empty {
			warnEmpty(room, name)
		}
		return empty
	}, dir, room)
}

// publishedEmpty reports whether a file is the one that is empty as published.
func (c Config) publishedEmpty(f file) bool {
	return c.Resolution == 32 && c.Difficulty == Easy && f == file{0, 172}
}

// warnEmpty tells the room of it.
func warnEmpty(room data.Room, name string) {
	if room.Warn != nil {
		room.Warn(fmt.Errorf("pathfinder: %s is empty, as published: passed over", name))
	}
}

// listing are the metadata of a data set.
type listing struct{ stems map[int32][]entry }

func newListing() *listing { return &listing{make(map[int32][]entry)} }

// read reads the file of metadata of a number.
func (l *listing) read(stem int32, r io.Reader, size int64) error {
	if size > maxMetadata {
		return fmt.Errorf("want at most %d bytes of metadata, got %d", maxMetadata, size)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
	if err != nil {
		return err
	}
	if _, twice := l.stems[stem]; twice {
		return errors.New("more than one file of this name")
	}
	l.stems[stem], err = readMetadata(b)
	return err
}

// entries returns all in their order, but for the pictures that skip says. What is
// there twice with one label counts once, and the room is told.
func (l *listing) entries(skip func(f file) bool, place string, room data.Room) ([]entry, error) {
	var stems []int32
	for n := range l.stems {
		stems = append(stems, n)
	}
	slices.Sort(stems)
	labels := make(map[file]uint8)
	twice := 0
	var all []entry
	for _, n := range stems {
		for _, e := range l.stems[n] {
			if label, seen := labels[e.file]; seen && label != e.label {
				return nil, fmt.Errorf("%s: metadata/%d.npy: %v is there with the labels %d and %d", place, n, e.file, label, e.label)
			} else if seen {
				twice++
				continue
			}
			labels[e.file] = e.label
			if e.file.sample == 172 && skip(e.file) {
				continue
			}
			all = append(all, e)
		}
	}
	if twice > 0 && room.Warn != nil {
		room.Warn(fmt.Errorf("pathfinder: %s: the metadata name pictures more than once, %d times in all: passed over", place, twice))
	}
	if len(all) < 3 || len(all) > maxPictures {
		return nil, fmt.Errorf("%s: want 3 to %d pictures in the files metadata/<number>.npy, got %d", place, maxPictures, len(all))
	}
	return all, nil
}

// readFolder reads the pictures of the given numbers.
func (c Config) readFolder(ctx context.Context, dir string, entries []entry, numbers []int, room data.Room) (*pictures, error) {
	meter := room.Meter("reading the pictures of "+dir, int64(len(numbers)))
	defer meter.Close()
	p := &pictures{side: c.Resolution, files: make([]file, len(numbers))}
	err := p.gather(ctx, len(numbers), meter, func(i int, b []uint8) ([]uint8, uint8, error) {
		e := entries[numbers[i]]
		p.files[i] = e.file
		err := data.ReadFile(filepath.Join(dir, filepath.FromSlash(e.file.String())), func(r io.Reader, size int64) error {
			content, err := readPNG(r, size)
			if err == nil {
				b, err = c.packPNG(b, content)
			}
			return err
		})
		return b, e.label, err
	})
	return p, err
}

// readPNG reads the file of a picture.
func readPNG(r io.Reader, size int64) ([]byte, error) {
	if size > maxPNG {
		return nil, fmt.Errorf("want a picture of at most %d bytes, got %d", maxPNG, size)
	}
	b := make([]byte, size)
	_, err := io.ReadFull(r, b)
	return b, err
}

// packPNG appends a picture packed to b.
func (c Config) packPNG(b, png []byte) ([]byte, error) {
	pixels, err := pngfile.Gray(png, c.Resolution, c.Resolution)
	if err != nil {
		return b, err
	}
	return pack(b, pixels), nil
}

// archive is one that is being read.
type archive struct {
	cfg     Config
	listing *listing
	packed  map[file][]uint8
	empty   map[file]string // empty files, by their names
	damaged map[file]error  // an error only if the metadata name them

	waiting []file // to be decoded
	content [][]byte
	names   []string
	bytes   int // of content
}

// readArchive reads all pictures of an archive.
func (c Config) readArchive(ctx context.Context, path string, room data.Room) (*pictures, error) {
	meter := room.Meter("reading the pictures of "+path, 0)
	defer meter.Close()
	a := &archive{cfg: c, listing: newListing(), packed: make(map[file][]uint8), empty: make(map[file]string), damaged: make(map[file]error)}
	err := data.Walk(ctx, path, data.Limits{}, func(m data.Member) error {
		defer meter.Add(1)
		return a.member(ctx, path, m)
	})
	if err != nil {
		return nil, err
	}
	if err := a.decode(ctx); err != nil {
		return nil, err
	}
	entries, err := a.listing.entries(func(f file) bool {
		name, empty := a.empty[f]
		empty = empty && c.publishedEmpty(f)
		if empty {
			warnEmpty(room, name)
		}
		return empty
	}, path, room)
	if err != nil {
		return nil, err
	}
	p := &pictures{side: c.Resolution}
	for _, e := range entries {
		b, ok := a.packed[e.file]
		if name, empty := a.empty[e.file]; empty {
			return nil, fmt.Errorf("%s: want a PNG file, got an empty one", name)
		}
		if err := a.damaged[e.file]; err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("%s: %v of its metadata: %w", path, e.file, fs.ErrNotExist)
		}
		delete(a.packed, e.file)
		p.packed = append(p.packed, b...)
		p.ends = append(p.ends, len(p.packed))
		p.labels = append(p.labels, e.label)
		p.files = append(p.files, e.file)
	}
	return p, nil
}

// member reads a file of the archive, if it is one of the data set.
func (a *archive) member(ctx context.Context, path string, m data.Member) error {
	below, ok := a.cfg.inSet(m.Name)
	if !ok {
		return nil
	}
	if below[0] == "metadata" {
		if n, ok := stem(below[1]); ok && len(below) == 2 {
			return a.listing.read(n, m, m.Size)
		}
		return nil
	}
	if len(below) != 3 {
		return nil
	}
	batch, err := number(below[1])
	if err != nil {
		return nil
	}
	sample, err := sampleNumber(below[2])
	if err != nil {
		return nil
	}
	f, name := file{batch, sample}, path+":"+m.Name
	b, err := readPNG(m, m.Size)
	if err != nil {
		return err
	}
	if len(b) == 0 {
		a.empty[f] = name
		return nil
	}
	a.waiting, a.content, a.names = append(a.waiting, f), append(a.content, b), append(a.names, name)
	if a.bytes += len(b); len(a.waiting) == chunk || a.bytes > maxWaiting-maxPNG {
		return a.decode(ctx)
	}
	return nil
}

// inSet returns the elements of a name in an archive from imgs or metadata on, if it
// is in the folder of the difficulty, and in that of the resolution if there is one.
func (c Config) inSet(name string) (below []string, ok bool) {
	elements := strings.Split(name, "/")
	i := slices.IndexFunc(elements, func(e string) bool { return e == "imgs" || e == "metadata" })
	if i < 0 || i == len(elements)-1 {
		return nil, false
	}
	_, difficulty := c.Difficulty.contour()
	switch {
	case i > 0 && elements[i-1] != difficulty:
		return nil, false
	case i > 1 && isSet(elements[i-2]) && elements[i-2] != c.setName():
		return nil, false
	}
	return elements[i:], true
}

// decode decodes what is waiting, in parallel.
func (a *archive) decode(ctx context.Context) error {
	packed, damaged := make([][]uint8, len(a.waiting)), make([]error, len(a.waiting))
	err := data.Each(ctx, len(packed), func(i int) error {
		packed[i], damaged[i] = a.cfg.packPNG(nil, a.content[i])
		return nil
	})
	if err != nil {
		return err
	}
	for i, f := range a.waiting {
		if _, twice := a.packed[f]; twice || a.damaged[f] != nil {
			return fmt.Errorf("%s: %v is there twice", a.names[i], f)
		}
		if damaged[i] != nil {
			a.damaged[f] = fmt.Errorf("%s: %w", a.names[i], damaged[i])
			continue
		}
		a.packed[f] = packed[i]
	}
	clear(a.content)
	a.waiting, a.content, a.names, a.bytes = a.waiting[:0], a.content[:0], a.names[:0], 0
	return nil
}
