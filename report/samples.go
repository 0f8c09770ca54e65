package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bounds on what is shown of samples.
const (
	shownSamples = 8    // right, and as many that are wrong
	shownScores  = 4    // of the largest
	shownSeries  = 3    // variables
	imageSide    = 128  // pixels
	pieceHead    = 700  // pieces of a long text that are shown: the first,
	pieceAround  = 700  // those around the most salient,
	pieceTail    = 300  // and the last
	pieceLength  = 40   // characters of a piece
	waveColumns  = 360  // of the outline of a wave
	salientPart  = 0.99 // of the magnitudes of a saliency that lie below its full colour
)

// shownSample is a sample on the page.
type shownSample struct {
	Index              int
	Origin             string
	Classified         bool
	Right              bool
	Target, Prediction string
	Scores             []score
	Loss               string
	Pictures           []shownPicture
}

// score is that of a class.
type score struct {
	Name, Text string
	Part       float64 // in [0, 100]
	Target     bool
}

// shownPicture is a picture on the page: text or drawings.
type shownPicture struct {
	Title    string
	Text     []run
	Drawings []figure
	Note     string
}

// run is pieces of a text in a row that have one class of the style sheet, or the
// number of those left out.
type run struct {
	Class, Text string
	Skipped     int
}

// shown returns samples that the model got right and wrong, or for what is no
// classifier all as right, a few of each.
func (t *Test) shown() (right, wrong []shownSample, err error) {
	for i := range t.Samples {
		s := &t.Samples[i]
		list := &right
		if t.Classes != nil && !s.Right() {
			list = &wrong
		}
		if len(*list) == shownSamples {
			continue
		}
		shown, err := t.show(s)
		if err != nil {
			return nil, nil, fmt.Errorf("sample %d: %w", i, err)
		}
		*list = append(*list, shown)
	}
	return right, wrong, nil
}

// show returns a sample for the page.
func (t *Test) show(s *Sample) (shownSample, error) {
	v := shownSample{Index: s.Index, Origin: s.Origin}
	if s.Loss != nil {
		v.Loss = significant(*s.Loss)
	}
	if t.Classes != nil {
		v.Classified, v.Right = true, s.Right()
		v.Target, v.Prediction = cut(t.Classes[s.Target], maxName), cut(t.Classes[s.Prediction], maxName)
		v.Scores = t.scores(s)
	}
	first, err := s.Picture.show(s.Saliency)
	if err != nil {
		return v, err
	}
	v.Pictures = append(v.Pictures, first)
	if second := s.Picture.Second; second != nil {
		p, err := second.show(s.SecondSaliency)
		if err != nil {
			return v, err
		}
		v.Pictures[0].Title, p.Title = cut(cmp.Or(s.Picture.Title, "first"), maxName), cut(cmp.Or(second.Title, "second"), maxName)
		v.Pictures = append(v.Pictures, p)
	}
	return v, nil
}

// scores returns the largest scores and that of the target.
func (t *Test) scores(s *Sample) []score {
	order := make([]int, len(s.Scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := s.Scores[a], s.Scores[b]
		switch {
		case x > y:
			return -1
		case y > x:
			return 1
		}
		return 0
	})
	var scores []score
	for rank, c := range order {
		if rank < shownScores || c == s.Target {
			percent := 100 * float64(s.Scores[c])
			text := strconv.FormatFloat(percent, 'f', 1, 64) + " %"
			if !finite(percent) {
				percent, text = 0, "not a number"
			}
			scores = append(scores, score{cut(t.Classes[c], maxName), text, min(max(percent, 0), 100), c == s.Target})
		}
	}
	return scores
}

// significant writes a number for reading.
func significant(v float64) string {
	text := strconv.FormatFloat(v, 'g', 4, 64)
	if a := math.Abs(v); a >= 1e4 && a < 1e9 {
		text = strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.ReplaceAll(text, "-", "\u2212")
}

// limitOf returns the magnitude of a saliency that has the full colour.
func limitOf[T float32 | float64](saliency []T) float64 {
	var m []float64
	for _, v := range saliency {
		if a := math.Abs(float64(v)); finite(a) && a > 0 {
			m = append(m, a)
		}
	}
	if len(m) == 0 {
		return 0
	}
	slices.Sort(m)
	return m[min(int(salientPart*float64(len(m))), len(m)-1)]
}

// show returns a picture for the page.
func (p *Picture) show(saliency Numbers) (shownPicture, error) {
	switch p.Kind {
	case Image:
		return p.showImage(saliency)
	case Wave:
		return p.showWave(saliency)
	case Lines:
		return p.showSeries(saliency)
	}
	return shownPicture{Text: p.runs(saliency)}, nil
}

// textLevels is the number of colours of a piece of text for, and against.
const textLevels = 6

// runs returns a text, coloured.
func (p *Picture) runs(saliency Numbers) []run {
	limit := limitOf(saliency)
	var rs []run
	skipped := 0
	var text strings.Builder
	class := ""
	flush := func() {
		if text.Len() > 0 {
			rs = append(rs, run{Class: class, Text: text.String()})
			text.Reset()
		}
	}
	shown := p.shownPieces(saliency)
	for i, piece := range p.Pieces {
		if !shown(i) {
			flush()
			skipped++
			continue
		}
		if skipped > 0 {
			rs, skipped = append(rs, run{Skipped: skipped}), 0
		}
		c := ""
		if saliency != nil && limit > 0 {
			c = textClass(float64(saliency[i]), limit)
		}
		if c != class {
			flush()
			class = c
		}
		text.WriteString(visible(cut(piece, pieceLength)))
	}
	flush()
	if skipped > 0 {
		rs = append(rs, run{Skipped: skipped})
	}
	return rs
}

// textClass returns the class of the style sheet of a saliency: s1 to s6 for the
// prediction, n1 to n6 against it, "" for little.
func textClass(v, limit float64) string {
	if !finite(v) {
		return ""
	}
	n := int(math.Round(textLevels * min(math.Abs(v)/limit, 1)))
	switch {
	case n == 0:
		return ""
	case v < 0:
		return "n" + strconv.Itoa(n)
	}
	return "s" + strconv.Itoa(n)
}

// visible returns a piece with what has no shape replaced.
func visible(piece string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r >= ' ' && r != 0x7f:
			return r
		case r == 0x7f:
			return '\u2421'
		}
		return '\u2400' + r // the picture of a control character
	}, piece)
}

// shownPieces returns which pieces of a text are shown: of a long one the beginning,
// the end, and what is around the most salient.
func (p *Picture) shownPieces(saliency Numbers) func(i int) bool {
	n := len(p.Pieces)
	if n <= pieceHead+pieceAround+pieceTail {
		return func(int) bool { return true }
	}
	best := n / 2
	for i, v := range saliency {
		if math.Abs(float64(v)) > math.Abs(float64(saliency[best])) || !finite(float64(saliency[best])) {
			best = i
		}
	}
	return func(i int) bool {
		return i < pieceHead || i >= n-pieceTail || i >= best-pieceAround/2 && i < best+pieceAround/2
	}
}

// showImage returns an image beside its saliency and the path through it.
func (p *Picture) showImage(saliency Numbers) (shownPicture, error) {
	f := shrink(p.Width, p.Height, imageSide)
	uri, err := encode(p.picturePixels(f))
	if err != nil {
		return shownPicture{}, err
	}
	v := shownPicture{Drawings: []figure{{Title: "image", Drawing: p.overlay(uri, "", false)}}}
	if p.Path != nil {
		v.Drawings = append(v.Drawings, figure{Title: "path", Drawing: p.overlay(uri, "", true)})
	}
	if saliency != nil {
		rows := p.place(saliency, f)
		salient, err := signedImage(rows, limitOf(slices.Concat(rows...)))
		if err != nil {
			return v, err
		}
		v.Drawings = append(v.Drawings, figure{Title: "saliency", Drawing: p.overlay(uri, salient, false)})
	}
	v.Note = fmt.Sprintf("%d \u00d7 %d, read row by row", p.Width, p.Height)
	if p.Order != nil {
		v.Note = fmt.Sprintf("%d \u00d7 %d, read in an order of its own", p.Width, p.Height)
		order, err := p.orderImage(f)
		if err != nil {
			return v, err
		}
		v.Drawings = append(v.Drawings, figure{Title: "order: first dark, last light", Drawing: p.overlay(order, "", false)})
	}
	return v, nil
}

// overlay draws an image, over it its saliency, if there is any, and the path
// through it.
func (p *Picture) overlay(uri, salient template.URL, path bool) template.HTML {
	const side = 150.0
	scale := side / float64(max(p.Width, p.Height))
	w, h := scale*float64(p.Width), scale*float64(p.Height)
	var s svg
	if salient != "" {
		s.WriteString(`<g class="dimmed">`)
	}
	s.image(uri, 0, 0, w, h)
	if salient != "" {
		s.WriteString("</g>")
		s.image(salient, 0, 0, w, h)
	}
	if path && p.Path != nil {
		s.open("path", "through")
		s.WriteString(` d="`)
		every := max(len(p.Path)/2000, 1)
		for i := 0; i < len(p.Path); i += every {
			s.WriteString(pathStep(i))
			s.pair(scale*(float64(p.Path[i]%p.Width)+0.5), scale*(float64(p.Path[i]/p.Width)+0.5))
		}
		s.WriteString(`"/>`)
	}
	return s.finish("pixelated", "image", w, h)
}

// orderImage returns an image of when each pixel is read.
func (p *Picture) orderImage(f int) (template.URL, error) {
	grey := Picture{Width: p.Width, Height: p.Height, Channels: 1, Pixels: make([]byte, p.Width*p.Height)}
	for i, at := range p.Order {
		grey.Pixels[at] = byte(255 * i / max(len(p.Order)-1, 1))
	}
	return encode(grey.picturePixels(f))
}
