package audio

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gorgonia-s4/s4/train/data/internal/names"
)

// Layout says how the names of files tell what they are.
type Layout string

// The layouts. "" tells them by what is there.
const (
	// SpeechCommands is a folder for each word; the names of the validation and of
	// the test set are in validation_list.txt and testing_list.txt. What is in
	// _background_noise_ is no word.
	SpeechCommands Layout = "speech-commands"
	// SpokenDigits is files DIGIT_SPEAKER_NUMBER.wav.
	SpokenDigits Layout = "spoken-digits"
	// Folders is a folder for each class, with files at any depth in it.
	Folders Layout = "folders"
)

// Split says which recordings are for validation and test.
type Split string

// The splits. "" means Official where there is one and Random otherwise.
const (
	// Official is the published split: of Speech Commands its lists, of the Spoken
	// Digits the numbers 0 to 4 of each speaker and digit for the test.
	Official Split = "official"
	// Random draws the validation and the test set of each class.
	Random Split = "random"
	// BySpeaker has the recordings of one speaker for the test.
	BySpeaker Split = "speaker"
)

// Short says what becomes of recordings shorter than Length.
type Short string

// What can become of them. "" means Keep.
const (
	Keep Short = "keep" // they stay shorter
	Pad  Short = "pad"  // with zeros
	Drop Short = "drop" // they are left out
)

// Features says what a step holds.
type Features string

// The features. "" means FeaturesRaw.
const (
	FeaturesRaw  Features = "raw"  // a sample
	FeaturesMFCC Features = "mfcc" // the coefficients of a frame
)

// Scale says how features are scaled.
type Scale string

// The scales. "" means Standard.
const (
	// Standard subtracts the mean of a feature in the training set and divides by
	// its deviation + 1e-5, as the reference does.
	Standard Scale = "standard"
	// Unit leaves samples in [-1, 1], and coefficients as they are.
	Unit Scale = "unit"
)

// Config says which recordings are read and how they are presented.
type Config struct {
	// Layout is SpeechCommands, SpokenDigits or Folders; "" finds out.
	Layout Layout `json:"layout,omitempty"`
	// Classes are the names of the classes, by label; nil means all there are, in
	// alphabetical order. Recordings of others are passed over.
	Classes []string `json:"classes,omitempty"`
	// Split is Official, Random or BySpeaker.
	Split Split `json:"split,omitempty"`
	// Speaker is whose recordings are the test set of BySpeaker.
	Speaker string `json:"speaker,omitempty"`
	// ValFraction and TestFraction are the shares drawn for validation and test,
	// where the split does not say; 0 means 0.15.
	ValFraction  float64 `json:"val_fraction,omitempty"`
	TestFraction float64 `json:"test_fraction,omitempty"`

	// Rate is the rate that recordings have, in samples per second; 0 means that of
	// the first. Another one is an error, unless Resample says that it is to be
	// converted.
	Rate     int  `json:"rate,omitempty"`
	Resample bool `json:"resample,omitempty"`
	// Length is the most samples of a recording at that rate, the first ones; 0
	// means all. Short says what becomes of shorter ones: Keep, Pad or Drop.
	Length int   `json:"length,omitempty"`
	Short  Short `json:"short,omitempty"`

	// Features is FeaturesRaw or FeaturesMFCC; Coefficients are those of the latter, whose Rate is that of
	// the recordings.
	Features     Features   `json:"features,omitempty"`
	Coefficients MFCCConfig `json:"mfcc,omitzero"`
	Scale        Scale      `json:"scale,omitempty"`
	// Subsample k leaves every k-th sample, from the first on; 0 means 1.
	Subsample int `json:"subsample,omitempty"`

	// Seed chooses what is drawn. The reference's choice comes from another random
	// generator and is not reproduced.
	Seed uint64 `json:"seed"`
}

// maxLength bounds Config.Length: the samples of a recording.
const maxLength = maxBytes / 2

// sc35 are the words of SC35 in the order of the reference's labels, sc10 those of
// SC10.
var (
	sc35 = []string{
		"bed", "cat", "down", "five", "forward", "go", "house", "left", "marvin", "no", "on", "right", "sheila", "tree", "up", "visual", "yes",
		"backward", "bird", "dog", "eight", "follow", "four", "happy", "learn", "nine", "off", "one", "seven", "six", "stop", "three", "two", "wow", "zero",
	}
	sc10 = []string{"yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"}
)

// SC35 is the task of 35 words of the S4D paper: all words of Speech Commands
// v0.0.2 with the published split, shorter recordings padded with zeros.
func SC35() Config {
	return Config{Layout: SpeechCommands, Classes: slices.Clone(sc35), Split: Official, Rate: 16000, Length: 16000, Short: Pad}
}

// SC10 is the task of ten words of the S4 paper: recordings shorter than a second
// are left out, and the others split 70/15/15 at random in each class.
func SC10() Config {
	return Config{Layout: SpeechCommands, Classes: slices.Clone(sc10), Split: Random, Rate: 16000, Length: 16000, Short: Drop}
}

// Digits is the Free Spoken Digits with the published split: recordings of 0.14 to
// 2.3 seconds, of 0.44 on average, of which what is beyond 0.75 seconds is cut off:
// of one in a hundred.
func Digits() Config {
	return Config{Layout: SpokenDigits, Split: Official, ValFraction: 0.1, Rate: 8000, Length: 6000}
}

// withDefaults returns c with its zero fields filled in, apart from those that
// depend on what is read.
func (c Config) withDefaults() Config {
	c.ValFraction = cmp.Or(c.ValFraction, 0.15)
	c.TestFraction = cmp.Or(c.TestFraction, 0.15)
	c.Short = cmp.Or(c.Short, Keep)
	c.Features = cmp.Or(c.Features, FeaturesRaw)
	c.Scale = cmp.Or(c.Scale, Standard)
	c.Subsample = cmp.Or(c.Subsample, 1)
	return c
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	d := c.withDefaults()
	bad := func(field, want string, got any) error {
		return fmt.Errorf("audio: Config.%s: want %s, got %v", field, want, got)
	}
	switch {
	case !slices.Contains([]Layout{"", SpeechCommands, SpokenDigits, Folders}, c.Layout):
		return bad("Layout", fmt.Sprintf("%q, %q, %q or none", SpeechCommands, SpokenDigits, Folders), names.Quote(c.Layout))
	case !slices.Contains([]Split{"", Official, Random, BySpeaker}, c.Split):
		return bad("Split", fmt.Sprintf("%q, %q, %q or none", Official, Random, BySpeaker), names.Quote(c.Split))
	case !slices.Contains([]Short{Keep, Pad, Drop}, d.Short):
		return bad("Short", fmt.Sprintf("%q, %q or %q", Keep, Pad, Drop), names.Quote(c.Short))
	case !slices.Contains([]Features{FeaturesRaw, FeaturesMFCC}, d.Features):
		return bad("Features", fmt.Sprintf("%q or %q", FeaturesRaw, FeaturesMFCC), names.Quote(c.Features))
	case !slices.Contains([]Scale{Standard, Unit}, d.Scale):
		return bad("Scale", fmt.Sprintf("%q or %q", Standard, Unit), names.Quote(c.Scale))
	case c.Classes != nil && len(c.Classes) < 2 || len(c.Classes) > maxClasses:
		return bad("Classes", fmt.Sprintf("none, or 2 to %d names", maxClasses), len(c.Classes))
	case (c.Split == BySpeaker) != (c.Speaker != ""):
		return bad("Speaker", fmt.Sprintf("a name if, and only if, Split is %q", BySpeaker), names.Quote(c.Speaker))
	case !(d.ValFraction > 0 && d.TestFraction > 0 && d.ValFraction+d.TestFraction < 1):
		return bad("ValFraction", "with TestFraction > 0 and together < 1", fmt.Sprint(d.ValFraction, " and ", d.TestFraction))
	case c.Rate < 0 || c.Rate > MaxRate:
		return bad("Rate", fmt.Sprintf("0 to %d", MaxRate), c.Rate)
	case c.Resample && c.Rate == 0:
		return bad("Rate", "a rate for Resample to convert to", c.Rate)
	case c.Length < 0 || c.Length > maxLength:
		return bad("Length", fmt.Sprintf("0 to %d", maxLength), c.Length)
	case d.Short != Keep && c.Length == 0:
		return bad("Length", fmt.Sprintf("one for Short %q", d.Short), c.Length)
	case d.Subsample < 1 || d.Subsample > maxLength:
		return bad("Subsample", fmt.Sprintf(">= 1 and <= %d", maxLength), c.Subsample)
	case d.Subsample > 1 && d.Features == FeaturesMFCC:
		return bad("Subsample", "1 for MFCC, which hold no single samples", c.Subsample)
	case c.Coefficients.Rate != 0:
		return bad("Coefficients.Rate", "0, as it is that of the recordings", c.Coefficients.Rate)
	}
	if i := names.Repeated(c.Classes); i >= 0 {
		return bad(fmt.Sprintf("Classes[%d]", i), "another name than those before", names.Quote(c.Classes[i]))
	}
	if err := c.Coefficients.Validate(); err != nil {
		return fmt.Errorf("audio: Config.Coefficients: %w", err)
	}
	return nil
}

// maxClasses bounds the number of classes.
const maxClasses = 1 << 16
