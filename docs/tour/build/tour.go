package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// tour is the text and what it is made of.
type tour struct {
	dir      string     // docs/tour
	chapters []*chapter // the first is README, the contents
	code     *code
	drawn    map[string]bool // pictures that docs/tour/pictures draws
	shown    map[string]bool // regions and pictures that the text has
}

// chapter is a page of the tour.
type chapter struct {
	name     string // 01-memory, or README
	title    string
	summary  string // the first paragraph
	source   []string
	markdown []byte          // for a code host
	anchors  map[string]bool // of its headings
	files    map[string]bool // tests that its code is from
}

// numbered is what a chapter's file is called.
var numbered = regexp.MustCompile(`^\d\d-[a-z0-9-]+$`)

// read reads the text in dir, and makes the Markdown of all chapters. The error lists
// all that is broken.
func read(dir string) (*tour, error) {
	t := &tour{dir: dir, shown: map[string]bool{}}
	var err error
	if t.code, err = readCode(dir); err != nil {
		return nil, err
	}
	if t.drawn, err = readDrawn(filepath.Join(dir, "pictures")); err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(dir, "source", "*.md"))
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	for _, path := range paths {
		c, err := readChapter(path)
		if err != nil {
			return nil, err
		}
		if c.name == "README" {
			t.chapters = append([]*chapter{c}, t.chapters...)
			continue
		}
		if !numbered.MatchString(c.name) {
			return nil, fmt.Errorf("build: %s: want a name like 01-memory.md", path)
		}
		t.chapters = append(t.chapters, c)
	}
	if len(t.chapters) == 0 || t.chapters[0].name != "README" {
		return nil, fmt.Errorf("build: %s: want the text, source/README.md and source/NN-name.md, got %d files", dir, len(paths))
	}
	var errs []error
	for i := range t.chapters {
		errs = append(errs, t.expand(i))
	}
	errs = append(errs, t.links()...)
	errs = append(errs, t.unseen()...)
	return t, errors.Join(errs...)
}

// readChapter reads a file of the text.
func readChapter(path string) (*chapter, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	c := &chapter{
		name:   strings.TrimSuffix(filepath.Base(path), ".md"),
		files:  map[string]bool{},
		source: strings.Split(strings.TrimRight(string(text), "\n"), "\n"),
	}
	title, ok := strings.CutPrefix(c.source[0], "# ")
	if !ok {
		return nil, fmt.Errorf("build: %s:1: want a title, \"# ...\", got %q", path, c.source[0])
	}
	c.title = title
	for _, line := range c.source[1:] {
		if line == "" && c.summary != "" {
			break
		}
		c.summary = strings.TrimSpace(c.summary + " " + line)
	}
	return c, nil
}

// number is the chapter's in the text, 0 of one that has none.
func (c *chapter) number() int {
	n := 0
	fmt.Sscanf(c.name, "%d-", &n)
	return n
}

// heading is the title with its number.
func (c *chapter) heading() string {
	if c.number() == 0 {
		return c.title
	}
	return fmt.Sprintf("%d. %s", c.number(), c.title)
}

// at names a line of the text in an error.
func (c *chapter) at(line int, format string, args ...any) error {
	return fmt.Errorf("source/%s.md:%d: %s", c.name, line+1, fmt.Sprintf(format, args...))
}

// upToDate returns an error that names the Markdown that is not that of the text.
func (t *tour) upToDate() error {
	var errs []error
	made := map[string]bool{}
	for _, c := range t.chapters {
		made[c.name+".md"] = true
		old, err := os.ReadFile(filepath.Join(t.dir, c.name+".md"))
		if err != nil || !bytes.Equal(old, c.markdown) {
			errs = append(errs, fmt.Errorf("%s.md is not that of source/%s.md: go run -C docs/tour/build . makes it", c.name, c.name))
		}
	}
	paths, err := filepath.Glob(filepath.Join(t.dir, "*.md"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if name := filepath.Base(path); !made[name] {
			errs = append(errs, fmt.Errorf("%s has no source/%s", name, name))
		}
	}
	return errors.Join(errs...)
}

// writeMarkdown writes the Markdown of all chapters.
func (t *tour) writeMarkdown() error {
	for _, c := range t.chapters {
		if err := write(filepath.Join(t.dir, c.name+".md"), c.markdown); err != nil {
			return err
		}
	}
	return nil
}

// write replaces a file as a whole.
func write(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tour-*")
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("build: %w", err)
	}
	return nil
}
