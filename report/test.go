package report

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/gorgonia-s4/s4/train"
)

// TestFile is the name of the file of a [Test] in a run's directory.
const TestFile = "test.json"

// Test is what a trained model can on data that it has not seen.
type Test struct {
	// Split names the data, such as "test"; Examples is their number.
	Split    string `json:"split"`
	Examples int    `json:"examples"`
	// Metrics are the loss and the metrics over all of them.
	Metrics train.Metrics `json:"metrics"`
	// Headline is the name of the metric that counts, "" the first; HigherIsBetter
	// says which way.
	Headline       string `json:"headline,omitempty"`
	HigherIsBetter bool   `json:"higher_is_better,omitempty"`
	// Floor is what is to be had without learning; nil: not known.
	Floor *Floor `json:"floor,omitempty"`
	// Classes are the names of the C classes; nil for what is no classifier.
	Classes []string `json:"classes,omitempty"`
	// Confusion (C, C) counts examples by target, then by prediction.
	Confusion [][]int `json:"confusion,omitempty"`
	// Samples are examples to be looked at: for a classifier some that it got
	// right and some that it got wrong.
	Samples []Sample `json:"samples,omitempty"`
	// Rates are tests of the same examples at other sampling rates, for which the
	// model was not trained.
	Rates []RateTest `json:"rates,omitempty"`
	// Lengths are tests of other examples, of other lengths than those of the training.
	Lengths []LengthTest `json:"lengths,omitempty"`
	// Seconds is the time that the test took; 0: not known.
	Seconds float64 `json:"seconds,omitempty"`
}

// RateTest is a test at another sampling rate than that of the training.
type RateTest struct {
	// Rate is relative to that of the training: 0.5 is every second sample.
	Rate float64 `json:"rate"`
	// BandLimited says that there is nothing in them that the rate cannot hold; else that
	// has become lower tones.
	BandLimited bool          `json:"band_limited,omitempty"`
	Metrics     train.Metrics `json:"metrics"`
}

// String names the rate: "0.5 of the sampling rate, band-limited".
func (t RateTest) String() string {
	name := significant(t.Rate) + " of the sampling rate"
	if t.BandLimited {
		name += ", band-limited"
	}
	return name
}

// LengthTest is a test of examples of another length.
type LengthTest struct {
	// Length is the number of steps of the longest.
	Length  int           `json:"length"`
	Metrics train.Metrics `json:"metrics"`
}

// Floor is what a predictor that has learnt nothing reaches in the headline
// metric.
type Floor struct {
	// What says which, such as "always the commonest class".
	What  string  `json:"what"`
	Value float64 `json:"value"`
}

// Sample is an example with what the model says of it.
type Sample struct {
	// Index is that of the example in its split; Origin is its file.
	Index  int    `json:"index"`
	Origin string `json:"origin,omitempty"`
	// Picture is what the example looks like.
	Picture Picture `json:"picture"`
	// Saliency (L) says how much each step counted for the prediction, for and
	// against it; nil: not known. SecondSaliency is that of Picture.Second.
	Saliency       Numbers `json:"saliency,omitempty"`
	SecondSaliency Numbers `json:"second_saliency,omitempty"`
	// Target and Prediction are numbers of classes; 0 for what is no classifier.
	Target     int `json:"target"`
	Prediction int `json:"prediction"`
	// Scores are the probabilities of the classes (C); nil: not known.
	Scores Numbers `json:"scores,omitempty"`
	// Loss is that of the example alone; nil: not known.
	Loss *float64 `json:"loss,omitempty"`
}

// Right says whether the prediction of a classifier is the target.
func (s *Sample) Right() bool { return s.Target == s.Prediction }

// The kinds of pictures.
const (
	Text  = "text"
	Image = "image"
	Wave  = "wave"
	// Lines are numbers over time with a forecast.
	Lines = "series"
)

// Picture is what an example looks like. The fields of its kind are set.
type Picture struct {
	Kind string `json:"kind"` // Text, Image, Wave or Lines
	// Title says what it is, where there are two; "" is by their order.
	Title string `json:"title,omitempty"`

	// Pieces is a text in pieces, one for each step: characters, words or other
	// tokens, with the spaces between them.
	Pieces []string `json:"pieces,omitempty"`

	// Width, Height and Channels (1 is grey, 3 RGB) are those of an image, and
	// Pixels its bytes (Height, Width, Channels).
	Width    int    `json:"width,omitempty"`
	Height   int    `json:"height,omitempty"`
	Channels int    `json:"channels,omitempty"`
	Pixels   []byte `json:"pixels,omitempty"`
	// Order says which pixel, y Width + x, the model reads at each step; nil means
	// row by row, from the top left.
	Order []int `json:"order,omitempty"`
	// Path is the pixels, one after the other, of what the answer depends on, such
	// as the path between two markers; nil: not known.
	Path []int `json:"path,omitempty"`

	// Samples are those of a wave, in [-1, 1], Rate of them a second; a step is
	// one, or more of them if there are fewer steps.
	Samples Numbers `json:"samples,omitempty"`
	Rate    int     `json:"rate,omitempty"`

	// Series are the variables of a series.
	Series []Series `json:"series,omitempty"`

	// Second is the other input of a model that reads two; nil for others.
	Second *Picture `json:"second,omitempty"`
}

// Series is one variable over time.
type Series struct {
	Name string `json:"name,omitempty"`
	// Past (L) is what the model read, of which NaN is missing; Future (T) is what
	// came, Forecast (T) what it said would come.
	Past     Numbers `json:"past"`
	Future   Numbers `json:"future,omitempty"`
	Forecast Numbers `json:"forecast,omitempty"`
	// Quantiles are those of the forecast, ascending.
	Quantiles []Quantile `json:"quantiles,omitempty"`
}

// Quantile is what the future is below of with the probability Level, step by
// step (T).
type Quantile struct {
	Level  float64 `json:"level"`
	Values Numbers `json:"values"`
}

// Save writes the test to dir/test.json, which it replaces as a whole. dir is
// made if it does not exist.
func (t *Test) Save(dir string) error {
	if err := t.validate(); err != nil {
		return fmt.Errorf("report: %s: %w", TestFile, err)
	}
	text, err := json.Marshal(t)
	return save(filepath.Join(dir, TestFile), text, err)
}

// ReadTest reads dir/test.json. The error of a file that is not there is an
// fs.ErrNotExist.
func ReadTest(dir string) (*Test, error) {
	t := new(Test)
	if err := read(filepath.Join(dir, TestFile), t); err != nil {
		return nil, err
	}
	return t, nil
}
