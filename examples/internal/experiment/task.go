package experiment

import (
	"context"
	"flag"
	"io"

	"github.com/gorgonia-s4/s4/models"
	"github.com/gorgonia-s4/s4/report"
	"github.com/gorgonia-s4/s4/task"
	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/data"
)

// Task is something to learn.
type Task struct {
	// Name is what -task takes, About a line of help.
	Name, About string
	// Path says what -data names: "`directory` of basic_{train,val,test}.tsv"; ""
	// that the task has no published files.
	Path string
	// Options returns the task's options with their defaults.
	Options func() Options
	// Codec returns an empty codec, which is filled from task.json.
	Codec func() Codec
}

// Options are those of a task: a pointer to a struct that is the object "data" of a
// preset in JSON.
type Options interface {
	// Flags declares the options with the present values as defaults.
	Flags(fs *flag.FlagSet)
	// Validate reports the first option that is out of range, in the words of the
	// command line.
	Validate() error
	// Shape returns what is known of the data before they are loaded: 0 for what
	// they have to say themselves.
	Shape() Shape
	// Load reads or makes the data.
	Load(ctx context.Context, src Source) (*Data, error)
}

// Bender is an Options that makes what the preset sets, and the command line does
// not, go with what the command line sets. It is called before Validate; set says
// whether the command line has an option, by name.
type Bender interface {
	Bend(set func(name string) bool)
}

// ModelBender is an Options that makes what the preset sets, and the command line does
// not, go with the model. It is called after the options of the model are known.
type ModelBender interface {
	BendTo(m *Model, set func(name string) bool)
}

// Maker is an Options that can make data where -data names none.
type Maker interface {
	// Making lists the options that are about data that are made, by name.
	Making() []string
}

// Source is where data come from.
type Source struct {
	// Path is the published files, as -data names them; "" means that the data are
	// generated, or where the task says they are.
	Path string
	// Seed chooses what is drawn.
	Seed uint64
	// Codec is that of a trained model that the data are for: they are to be read as
	// it reads, with its vocabulary. nil: they are for a new model.
	Codec Codec
	// Start says that Codec is that of -init-from: of a model that a new one starts
	// from, which may have other classes and lengths. Its vocabulary and its scales
	// are kept where they fit.
	Start bool
	// Rows is the number of sequences of a step of the training, EvalRows that of an
	// evaluation: of a model that carries states the numbers of streams.
	Rows, EvalRows int
	// Room is the cache, the limit, and who is told of progress.
	data.Room
}

// Data are the data of a task with what a model has to know of them.
type Data struct {
	// Splits are the parts. Test may be nil.
	data.Splits[task.Dataset]
	// Title names the data: "ListOps".
	Title string
	// Model is what the model reads and gives.
	Model Shape
	// Codec turns a user's own input into examples. It is saved beside the model.
	Codec Codec
	// Metrics are measured in training and evaluation, the first of which chooses
	// the best checkpoint; nil means the accuracy.
	Metrics []train.Metric
	// Floor is what the first metric is on the test data without learning, by
	// guessing the commonest class as a rule; nil means that it is not known.
	Floor *report.Floor
	// Rates are the same parts at other sampling rates, at which the trained model is
	// tested too.
	Rates []Rated
	// Lengths are test data of other lengths, with which the trained model is tested too.
	Lengths []task.Dataset
	// Notes are sentences about the data.
	Notes []string
	// Samples, if it is not nil, is called with the model behind its test. It may print
	// what the model makes, and returns what the page of the run shows of it.
	Samples func(ctx context.Context, m models.Model, out io.Writer) ([]report.Sample, error)
}

// The kinds of models.
const (
	Classifier    = "classifier"
	Retrieval     = "retrieval"
	Forecaster    = "forecaster"
	LanguageModel = "language_model"
)

// Shape is what a model reads and gives.
type Shape struct {
	Kind     string `json:"kind,omitempty"`     // of the model; "" means Classifier
	Vocab    int    `json:"vocab,omitempty"`    // number of token ids, or
	Features int    `json:"features,omitempty"` // number of channels
	Padding  *int   `json:"padding,omitempty"`  // the token id that reads as zero
	Classes  int    `json:"classes,omitempty"`
	Length   int    `json:"length,omitempty"` // steps of the longest sequence
	// Of a Forecaster, as models.ForecasterConfig has them.
	Horizon   int             `json:"horizon,omitempty"`
	Outputs   int             `json:"outputs,omitempty"`
	Loss      models.LossKind `json:"loss,omitempty"`
	Quantiles []float64       `json:"quantiles,omitempty"`
	Center    bool            `json:"center,omitempty"`
	Weighted  bool            `json:"weighted,omitempty"`
	// Of a LanguageModel, as models.LanguageModelConfig has it: the sequences are
	// pieces of streams, Rows of Source side by side.
	Carry   bool  `json:"carry,omitempty"`
	Tie     bool  `json:"tie,omitempty"`
	NoBias  bool  `json:"no_bias,omitempty"`
	DEmbed  int   `json:"d_embed,omitempty"`
	Cutoffs []int `json:"cutoffs,omitempty"`
	DivVal  int   `json:"div_val,omitempty"`
	// Answers says that a LanguageModel tells answers, not the token that follows each:
	// those of the last Answers steps of a sequence. Its graphs have scores, for metrics.
	Answers int `json:"answers,omitempty"`
}

// Codec says how a user's own input becomes an example, and how one is shown. It is
// a pointer to a struct that encoding/json can encode: the vocabulary, the mean and
// the deviation, whatever it takes.
type Codec interface {
	// Read calls f with one example after the other of r, as they come. name is the
	// file's, for their origins and for errors, which say where in it. An example is
	// f's own.
	Read(r io.Reader, name string, f func(Example) error) error
	// Classes returns the names of the classes; nil for what is no classifier.
	Classes() []string
	// Show returns a picture of an example.
	Show(e Example) report.Picture
}

// Matcher is a Codec that knows which data a trained model goes on with: a run is
// resumed only with a codec that matches that of the run.
type Matcher interface {
	// Matches reports how another codec, of data that are there, differs from what the
	// model was trained with: another vocabulary.
	Matches(other Codec) error
}

// Plotter is a Codec that draws a picture of a test.
type Plotter interface {
	// Plot writes a picture into the directory of a run, from the samples of its
	// test, and returns the name of the file; "" if there is nothing to draw.
	Plot(dir string, test *report.Test) (string, error)
}

// Example is what a model reads.
type Example struct {
	// Origin is where it is from: "reviews.txt:7".
	Origin string
	// Tokens are the ids of a symbolic input (L), Tokens2 those of the second one of a
	// pair. Answers are what is to be told at the last of Tokens, nil if it is not known.
	// Features are those of a real-valued input (L, F).
	Tokens, Tokens2 []int
	Answers         []int
	Features        []float32
	// Target is the class that is wanted, task.Ignore if it is not known.
	Target int
	// Of an example of a forecaster that is shown: what came (Horizon, Outputs), what
	// was forecast, and the quantiles (Horizon, Outputs, Q); nil if there are none.
	Future              []float32
	Forecast, Quantiles []float64
}
