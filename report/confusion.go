package report

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
)

// The most classes whose cells have their count, and whose cells are drawn one by one
// and names written whole; of more, the matrix is an image.
const (
	maxCounted = 12
	maxNamed   = 40
)

// The most classes that the table lists, and the length of a name there.
const (
	maxListed = 300
	maxName   = 80
)

// classRow is a class in the table of classes.
type classRow struct {
	Name              string
	Examples          int
	Recall, Precision string
	RecallPart        float64 // in [0, 100], for the bar
	PrecisionPart     float64
}

// confused is two classes that are taken for one another.
type confused struct {
	Target, Prediction string
	Count              int
	Part               string // of the examples of the target
}

// classTable returns recall and precision by class.
func (t *Test) classTable() []classRow {
	predicted := make([]int, len(t.Classes))
	for _, row := range t.Confusion {
		for k, n := range row {
			predicted[k] += n
		}
	}
	var rows []classRow
	for i, row := range t.Confusion[:min(maxListed, len(t.Confusion))] {
		n := total(row)
		r := classRow{Name: cut(t.Classes[i], maxName), Examples: n, Recall: "\u2013", Precision: "\u2013"}
		r.Recall, r.RecallPart = part(row[i], n)
		r.Precision, r.PrecisionPart = part(row[i], predicted[i])
		rows = append(rows, r)
	}
	return rows
}

func total(counts []int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// part returns n of a total as per cent, as text and as a number.
func part(n, of int) (text string, percent float64) {
	if of <= 0 {
		return "\u2013", 0
	}
	percent = min(max(100*float64(n)/float64(of), 0), 100)
	return strconv.FormatFloat(percent, 'f', 1, 64) + " %", percent
}

// confusions returns the pairs of classes that are confused most often.
func (t *Test) confusions(most int) []confused {
	type pair struct{ i, k, n int }
	var ps []pair
	for i, row := range t.Confusion {
		for k, n := range row {
			if i != k && n > 0 {
				ps = append(ps, pair{i, k, n})
			}
		}
	}
	slices.SortStableFunc(ps, func(a, b pair) int { return b.n - a.n })
	var cs []confused
	for _, p := range ps[:min(most, len(ps))] {
		text, _ := part(p.n, total(t.Confusion[p.i]))
		cs = append(cs, confused{cut(t.Classes[p.i], maxName), cut(t.Classes[p.k], maxName), p.n, text})
	}
	return cs
}

// confusionDrawing draws the matrix, shaded by the part of each target's examples.
func (t *Test) confusionDrawing() (template.HTML, error) {
	c := len(t.Classes)
	const side = 420.0
	cell := min(side/float64(c), 72)
	longest := 0
	for i := range t.Classes {
		longest = max(longest, len([]rune(t.drawnName(i))))
	}
	left, top := 32+6.6*float64(longest), 34.0
	turned := 7.2*float64(longest) > cell*float64(skipped(cell))
	if turned {
		top += 5.6 * float64(longest)
	}
	var s svg
	s.text("label", "start", left, 12, "prediction")
	s.WriteString(`<text class="label" text-anchor="end" transform="translate(12 `)
	s.number(top)
	s.WriteString(`) rotate(-90)">target</text>`)
	for i, row := range t.Confusion {
		n := total(row)
		y := top + float64(i)*cell
		if i%skipped(cell) == 0 {
			s.text("tick", "end", left-6, y+cell/2+4, t.drawnName(i))
			column(&s, left+float64(i)*cell+cell/2, top-6, t.drawnName(i), turned)
		}
		for k, count := range row {
			if c > maxNamed {
				break
			}
			t.cell(&s, i, k, count, n, left+float64(k)*cell, y, cell)
		}
	}
	size := cell * float64(c)
	if c > maxNamed {
		uri, err := t.confusionImage()
		if err != nil {
			return "", err
		}
		s.image(uri, left, top, size, size)
	}
	s.rect("outline", left, top, size, size, "")
	right := 12.0
	if turned {
		right += 3.6 * float64(longest)
	}
	return s.finish("confusion", fmt.Sprintf("confusion matrix of %d classes", c), left+size+right, top+size+8), nil
}

// confusionImage returns the cells as an image.
func (t *Test) confusionImage() (template.URL, error) {
	rows := make([][]float64, len(t.Confusion))
	for i, row := range t.Confusion {
		n := total(row)
		rows[i] = make([]float64, len(row))
		for k, count := range row {
			_, percent := part(count, n)
			rows[i][k] = shade(percent)
		}
		rows[i][i] *= -1 // in the colour of what is right
	}
	return signedImage(rows, 1)
}

// skipped returns how many rows of a height there are to one that has room for its
// name.
func skipped(cell float64) int { return int(11/cell) + 1 }

// drawnName returns what a class is called beside the matrix: its number where there
// are many.
func (t *Test) drawnName(i int) string {
	if len(t.Classes) > maxNamed {
		return strconv.Itoa(i)
	}
	return cut(t.Classes[i], 14)
}

// column writes the name of a class above its column.
func column(s *svg, x, y float64, name string, turned bool) {
	if !turned {
		s.text("tick", "middle", x, y, name)
		return
	}
	s.WriteString(`<g transform="translate(`)
	s.pair(x+3, y)
	s.WriteString(`) rotate(-50)">`)
	s.text("tick", "start", 0, 0, name)
	s.WriteString("</g>")
}

// cut returns the first runes of a text.
func cut(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "\u2026"
	}
	return text
}

// cell draws the count of one target and one prediction. Empty ones are left out.
func (t *Test) cell(s *svg, i, k, count, of int, x, y, size float64) {
	if count == 0 && len(t.Classes) > maxCounted {
		return
	}
	text, percent := part(count, of)
	class := "wrong"
	if i == k {
		class = "right"
	}
	s.WriteString(`<g class="cell ` + class + `"><rect`)
	s.attr("x", x)
	s.attr("y", y)
	s.attr("width", size)
	s.attr("height", size)
	s.WriteString(` fill-opacity="` + strconv.FormatFloat(shade(percent), 'f', 2, 64) + `"/>`)
	title := fmt.Sprintf("%s taken for %s: %d of %d, %s", cut(t.Classes[i], 60), cut(t.Classes[k], 60), count, of, text)
	if i == k {
		title = fmt.Sprintf("%s: %d of %d right, %s", cut(t.Classes[i], 60), count, of, text)
	}
	s.open("title", "")
	s.WriteString(">" + template.HTMLEscapeString(title) + "</title>")
	if len(t.Classes) <= maxCounted {
		class := "count"
		if percent > 60 {
			class = "count over"
		}
		s.text(class, "middle", x+size/2, y+size/2+4, short(float64(count)))
	}
	s.WriteString("</g>")
}

// shade returns the opacity of a part: small ones are to be seen too.
func shade(percent float64) float64 {
	if percent == 0 {
		return 0
	}
	return 0.06 + 0.94*percent/100
}
