package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// generated is above every file that the builder writes.
const generated = "<!-- Made of source/%s.md by docs/tour/build. Edit that. -->\n"

// expand makes the Markdown of chapter i: directives become what they stand for, and
// formulas stand in backticks, as code hosts want them.
func (t *tour) expand(i int) error {
	c := t.chapters[i]
	var out strings.Builder
	fmt.Fprintf(&out, generated+"\n# %s\n", c.name, c.heading())
	var errs []error
	fenced, display := false, -1 // in a fence; the first line of a displayed formula
	for k, line := range c.source[1:] {
		k++
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced:
		case line == "$$" && display < 0:
			display = k
			line = "```math"
		case line == "$$":
			if _, err := mathML(strings.Join(c.source[display+1:k], "\n"), true); err != nil {
				errs = append(errs, c.at(display, "%v", err))
			}
			display = -1
			line = "```"
		case display >= 0:
		default:
			var err error
			if line, err = t.line(c, line); err != nil {
				errs = append(errs, c.at(k, "%v", err))
			}
		}
		out.WriteString(line + "\n")
	}
	if display >= 0 {
		errs = append(errs, c.at(display, "a formula has no end: want $$ on a line"))
	}
	out.WriteString(c.program())
	out.WriteString(t.around(i))
	c.markdown = []byte(out.String())
	return errors.Join(errs...)
}

// program says which tests the code of a chapter is from.
func (c *chapter) program() string {
	var links []string
	for _, file := range slices.Sorted(maps.Keys(c.files)) {
		links = append(links, "["+file+"]("+file+")")
	}
	if links == nil {
		return ""
	}
	return "\nThe whole code of this chapter: " + strings.Join(links, ", ") + ".\n"
}

// unseen returns an error for each region and each picture that no chapter shows.
func (t *tour) unseen() (errs []error) {
	for _, name := range slices.Sorted(maps.Keys(t.code.regions)) {
		if !t.shown[name] {
			errs = append(errs, fmt.Errorf("%s: no chapter shows region %q", t.code.regions[name].file, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.drawn)) {
		if !t.shown[name] {
			errs = append(errs, fmt.Errorf("pictures/%s: no chapter shows it", name))
		}
	}
	return errs
}

// around is the last line of chapter i: the way to the others.
func (t *tour) around(i int) string {
	if i == 0 {
		return ""
	}
	ways := []string{"[Contents](README.md)"}
	if i > 1 {
		ways = append([]string{"[← " + t.chapters[i-1].title + "](" + t.chapters[i-1].name + ".md)"}, ways...)
	}
	if i+1 < len(t.chapters) {
		ways = append(ways, "["+t.chapters[i+1].title+" →]("+t.chapters[i+1].name+".md)")
	}
	return "\n---\n\n" + strings.Join(ways, " · ") + "\n"
}

var directive = regexp.MustCompile(`^\{\{(\w+) ?(.*)\}\}$`)

// line returns a line of the text, outside of code and displayed formulas, as Markdown.
func (t *tour) line(c *chapter, line string) (string, error) {
	if m := directive.FindStringSubmatch(line); m != nil && m[1] != "number" {
		return t.block(c, m[1], m[2])
	}
	if err := typed(line); err != nil {
		return "", err
	}
	return t.inline(line)
}

// block returns what a directive that has a line of its own stands for.
func (t *tour) block(c *chapter, name, args string) (string, error) {
	first, rest, _ := strings.Cut(args, " ")
	switch name {
	case "code":
		r := t.code.regions[first]
		if r.file == "" {
			return "", fmt.Errorf("there is no region %q in the tests of docs/tour", first)
		}
		t.shown[first] = true
		c.files[r.file] = true
		return fence("go", r.text), nil
	case "func":
		text, err := t.code.function(first, rest)
		return fence("go", text), err
	case "output":
		out, err := "", error(nil)
		if rest == "" {
			out, err = t.code.output(first)
		} else {
			out, err = t.code.outputOf(first, rest)
		}
		return fence("text", out), err
	case "picture":
		return t.picture(first, rest)
	case "table":
		return t.code.table(first, rest)
	case "contents":
		return t.contents(), nil
	}
	return "", fmt.Errorf("there is no directive %q", name)
}

func fence(language, text string) string { return "```" + language + "\n" + text + "\n```" }

// picture returns an image.
func (t *tour) picture(name, alt string) (string, error) {
	if alt == "" {
		return "", fmt.Errorf("picture %s: want a text for those who do not see it, got none", name)
	}
	if !t.drawn[name] {
		return "", fmt.Errorf("picture %s: no code in docs/tour/pictures draws it", name)
	}
	if _, err := os.Stat(filepath.Join(t.dir, "pictures", name)); err != nil {
		return "", fmt.Errorf("picture %s: it is not there: run go test ./docs/tour/pictures -regen", name)
	}
	t.shown[name] = true
	return "![" + alt + "](pictures/" + name + ")", nil
}

// contents lists the chapters.
func (t *tour) contents() string {
	var lines []string
	for _, c := range t.chapters[1:] {
		lines = append(lines, fmt.Sprintf("%d. [%s](%s.md). %s", c.number(), c.title, c.name, c.summary))
	}
	return strings.Join(lines, "\n")
}

// parts are what is not plain text in a line: code, directives, formulas, links,
// addresses and tags.
var parts = regexp.MustCompile("`[^`]*`" + `|\{\{.*?\}\}|\$[^$]*\$|!?\[[^\]]*\]\([^)]*\)|<[^>]*>`)

// inline returns a line with the numbers it asks for, and its formulas in backticks.
func (t *tour) inline(line string) (string, error) {
	var errs []error
	if strings.Contains(parts.ReplaceAllString(line, ""), "$") {
		errs = append(errs, errors.New("a formula has no end on its line: want $...$"))
	}
	line = parts.ReplaceAllStringFunc(line, func(part string) string {
		switch {
		case part[0] == '$':
			tex := strings.Trim(part, "$")
			_, err := mathML(tex, false)
			errs = append(errs, err)
			return "$`" + tex + "`$"
		case part[0] == '{':
			m := directive.FindStringSubmatch(part)
			if m == nil || m[1] != "number" {
				errs = append(errs, fmt.Errorf("want {{number SOURCE REGEXP}}, or another directive alone on its line, got %s", part))
				return part
			}
			source, pattern, _ := strings.Cut(m[2], " ")
			n, err := t.code.number(source, pattern)
			errs = append(errs, err)
			return n
		}
		return part
	})
	return line, errors.Join(errs...)
}

var (
	// references are digits that no run has to give, and names such as CIFAR-10.
	references = regexp.MustCompile(`\pL-\d+\b|(?i)\b(eqs?\.|equations?|theorems?|sections?|appendix|figures?|tables?|chapters?|algorithms?|lemma|corollary|proposition) ([A-Z]?[\d.]+|[A-Z]\b| and | to |, )+`)
	digits     = regexp.MustCompile(`(^|[^\pL\d_.])[\d.,]*\d`)
	item       = regexp.MustCompile(`^\s*\d+\. `) // of a numbered list
)

// typed returns an error if the plain text of a line has a number that was typed in.
func typed(line string) error {
	text := references.ReplaceAllString(parts.ReplaceAllString(item.ReplaceAllString(line, ""), "x"), "x")
	if n := strings.TrimSpace(digits.FindString(text)); n != "" {
		return fmt.Errorf("the number %q is of no run: want {{number SOURCE REGEXP}} for a result, $...$ for a setting", n)
	}
	return nil
}
