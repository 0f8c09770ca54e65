package main

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/wyatt915/treeblood"
)

// lefts and rights are brackets that grow, which the converter does not count.
var lefts, rights = regexp.MustCompile(`\\left\b`), regexp.MustCompile(`\\right\b`)

// annotation is the LaTeX that the converter adds for whoever copies the formula, not
// escaped.
var annotation = regexp.MustCompile(`(?s)<annotation.*</annotation>`)

// mathML returns a LaTeX formula as MathML, on one line, the same in every run. What
// the converter does not know, or leaves without an end, is an error.
func mathML(tex string, display bool) (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("formula $%s$: %w", tex, err) }
	if left, right := len(lefts.FindAllString(tex, -1)), len(rights.FindAllString(tex, -1)); left != right {
		return fail(fmt.Errorf(`want as many \right as \left, got %d and %d`, right, left))
	}
	convert := treeblood.InlineStyle
	if display {
		convert = treeblood.DisplayStyle
	}
	text, err := convert(tex, nil)
	if err != nil {
		return fail(errors.New(strings.Join(strings.Fields(err.Error()), " ")))
	}
	text, err = tidy(annotation.ReplaceAllLiteralString(text, `<annotation encoding="application/x-tex">`+escape(tex)+"</annotation>"))
	if err != nil {
		return fail(err)
	}
	return text, nil
}

// wrong are the elements that stand for something the converter did not understand.
var wrong = map[string]string{"merror": "want what the converter knows", "none": "want one index and one exponent"}

// tidy sorts the attributes of MathML and takes the space out between elements.
func tidy(text string) (string, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.Entity = xml.HTMLEntity
	var out strings.Builder
	function := false // within the name of one
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return strings.TrimSpace(out.String()), nil
		}
		if err != nil {
			return "", err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if what := wrong[token.Name.Local]; what != "" {
				next, _ := d.RawToken()
				unknown, _ := next.(xml.CharData)
				return "", fmt.Errorf("%s, got %q", what, string(unknown))
			}
			if function = named(token); function {
				out.WriteString(`<mo lspace="0.1667em" rspace="0.1667em">`)
				continue
			}
			slices.SortFunc(token.Attr, func(a, b xml.Attr) int { return cmp.Compare(a.Name.Local, b.Name.Local) })
			out.WriteString("<" + token.Name.Local)
			for _, a := range token.Attr {
				if a.Name.Local == "style" {
					a.Value = sorted(a.Value)
				}
				fmt.Fprintf(&out, ` %s="%s"`, a.Name.Local, escape(a.Value))
			}
			out.WriteString(">")
		case xml.EndElement:
			if function {
				token.Name.Local, function = "mo", false
			}
			out.WriteString("</" + token.Name.Local + ">")
		case xml.CharData:
			if s := strings.TrimSpace(string(token)); s != "" || !strings.Contains(string(token), "\n") {
				out.WriteString(escape(unvaried.Replace(strings.Trim(string(token), "\n"))))
			}
		}
	}
}

// named says whether an element is the name of a function, such as log: an identifier
// with the space of an operator, which browsers give to operators alone.
func named(e xml.StartElement) bool {
	return e.Name.Local == "mi" && slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == "lspace" })
}

// unvaried takes the selector of a variant off letters, which few fonts have.
var unvaried = strings.NewReplacer("\ufe00", "", "\ufe01", "")

// sorted returns the declarations of a style in order.
func sorted(style string) string {
	declarations := strings.Split(strings.TrimSuffix(style, ";"), ";")
	slices.Sort(declarations)
	return strings.Join(declarations, ";")
}

func escape(s string) string {
	var out strings.Builder
	xml.EscapeText(&out, []byte(s)) // a Builder takes everything
	return out.String()
}
