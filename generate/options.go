package generate

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/gorgonia-s4/s4/internal/strictjson"
)

// Options say how tokens are chosen and where a text ends. The zero value is greedy,
// and writes nothing: MaxTokens has to be given. In JSON the names are those of the
// completions protocol, where it has the option.
//
// Scores go through these filters in this order: LogitBias, RepetitionPenalty,
// FrequencyPenalty and PresencePenalty, Temperature, TopK, TopP, MinP. What each does
// is said at NewSampler.
type Options struct {
	// MaxTokens is the number of tokens after which a text ends. With 0 the prompt is
	// read and nothing written, for its State.
	MaxTokens int `json:"max_tokens"`

	Temperature float64 `json:"temperature,omitempty"` // 0: greedy
	TopK        int     `json:"top_k,omitempty"`       // 0: all tokens
	// TopP is in (0, 1]. The 0 of one that is not given means 1; in JSON a 0 that is
	// written out is an error.
	TopP float64 `json:"top_p,omitempty"`
	MinP float64 `json:"min_p,omitempty"` // in [0, 1]

	RepetitionPenalty float64 `json:"repetition_penalty,omitempty"` // 0: 1, which is none
	FrequencyPenalty  float64 `json:"frequency_penalty,omitempty"`
	PresencePenalty   float64 `json:"presence_penalty,omitempty"`
	// PenaltyWindow is how many of the latest tokens the three penalties look at; 0:
	// DefaultPenaltyWindow.
	PenaltyWindow int `json:"penalty_window,omitempty"`

	LogitBias map[int]float64 `json:"logit_bias,omitempty"` // by token id; added to its score

	// Stop are texts before the first of which the text ends.
	Stop []string `json:"stop,omitempty"`
	// StopIDs are tokens before the first of which the text ends, and so is the one
	// that the tokenizer calls the end of a text, unless IgnoreEOS.
	StopIDs   []int `json:"stop_ids,omitempty"`
	IgnoreEOS bool  `json:"ignore_eos,omitempty"`

	// Seed chooses the random numbers. 0 is a seed like any other.
	Seed uint64 `json:"seed,omitempty"`
	// LogProbs is how many of the likeliest tokens are in Piece.Top.
	LogProbs int `json:"logprobs,omitempty"`
}

const (
	// DefaultPenaltyWindow is the number of tokens that penalties look at.
	DefaultPenaltyWindow = 256
	// MaxPenaltyWindow is the largest PenaltyWindow.
	MaxPenaltyWindow = 8192
	// MaxLogProbs is the largest number of LogProbs.
	MaxLogProbs = 100
	// MaxStops is the largest number of Stop strings, and MaxStopBytes the length of
	// the longest.
	MaxStops, MaxStopBytes = 64, 4096
)

// greedyBelow is the temperature below which sampling is greedy: no other token has a
// chance then, and scores over it would overflow.
const greedyBelow = 1e-5

// plainOptions are Options without their methods.
type plainOptions Options

// UnmarshalJSON reads options strictly: an unknown name is an error, and so is a
// number that is written out and out of its range, a "top_p" of 0 too.
func (o *Options) UnmarshalJSON(text []byte) error {
	var given struct {
		TopP              *float64 `json:"top_p"`
		RepetitionPenalty *float64 `json:"repetition_penalty"`
		PenaltyWindow     *int     `json:"penalty_window"`
	}
	if err := json.Unmarshal(text, &given); err != nil {
		return err
	}
	read := plainOptions(*o)
	if err := strictjson.Decode(text, &read); err != nil {
		return err
	}
	switch {
	case given.TopP != nil && *given.TopP == 0:
		return fmt.Errorf("want top_p in (0, 1], got 0")
	case given.RepetitionPenalty != nil && *given.RepetitionPenalty == 0:
		return fmt.Errorf("want repetition_penalty > 0, got 0")
	case given.PenaltyWindow != nil && *given.PenaltyWindow == 0:
		return fmt.Errorf("want penalty_window in [1, %d], got 0", MaxPenaltyWindow)
	}
	if err := Options(read).Validate(); err != nil {
		return err
	}
	*o = Options(read)
	return nil
}

// Validate reports the first option that is out of range. What depends on the
// vocabulary is for those who know it: see NewSampler.
func (o Options) Validate() error {
	switch {
	case o.MaxTokens < 0:
		return fmt.Errorf("want max_tokens >= 0, got %d", o.MaxTokens)
	case !(o.Temperature >= 0) || math.IsInf(o.Temperature, 1):
		return fmt.Errorf("want a finite temperature >= 0, got %v", o.Temperature)
	case o.TopK < 0:
		return fmt.Errorf("want top_k >= 0, got %d", o.TopK)
	case !(o.TopP >= 0 && o.TopP <= 1):
		return fmt.Errorf("want top_p in (0, 1], got %v", o.TopP)
	case !(o.MinP >= 0 && o.MinP <= 1):
		return fmt.Errorf("want min_p in [0, 1], got %v", o.MinP)
	case !(o.RepetitionPenalty >= 0) || math.IsInf(o.RepetitionPenalty, 1):
		return fmt.Errorf("want a finite repetition_penalty > 0, got %v", o.RepetitionPenalty)
	case !finite(o.FrequencyPenalty):
		return fmt.Errorf("want a finite frequency_penalty, got %v", o.FrequencyPenalty)
	case !finite(o.PresencePenalty):
		return fmt.Errorf("want a finite presence_penalty, got %v", o.PresencePenalty)
	case o.PenaltyWindow < 0 || o.PenaltyWindow > MaxPenaltyWindow:
		return fmt.Errorf("want penalty_window in [1, %d], got %d", MaxPenaltyWindow, o.PenaltyWindow)
	case o.LogProbs < 0 || o.LogProbs > MaxLogProbs:
		return fmt.Errorf("want logprobs in [0, %d], got %d", MaxLogProbs, o.LogProbs)
	}
	return o.validateEnds()
}

// validateEnds is Validate for biases and for what ends a text.
func (o Options) validateEnds() error {
	for _, id := range sortedKeys(o.LogitBias) {
		if b := o.LogitBias[id]; id < 0 || !finite(b) {
			return fmt.Errorf("want a finite logit_bias of an id >= 0, got %v of %d", b, id)
		}
	}
	if len(o.Stop) > MaxStops {
		return fmt.Errorf("want at most %d stop strings, got %d", MaxStops, len(o.Stop))
	}
	for i, s := range o.Stop {
		switch {
		case s == "":
			return fmt.Errorf("want stop strings that are not empty, got \"\" at %d", i)
		case len(s) > MaxStopBytes:
			return fmt.Errorf("want stop strings of at most %d bytes, got %d at %d", MaxStopBytes, len(s), i)
		case !utf8.ValidString(s):
			return fmt.Errorf("want stop strings in UTF-8, got %q at %d", s, i)
		}
	}
	for _, id := range o.StopIDs {
		if id < 0 {
			return fmt.Errorf("want stop_ids >= 0, got %d", id)
		}
	}
	return nil
}

// validateFor is Validate, and for ids that are of no token of a vocabulary.
func (o Options) validateFor(vocab int) error {
	if err := o.Validate(); err != nil {
		return err
	}
	for _, id := range sortedKeys(o.LogitBias) {
		if id >= vocab {
			return fmt.Errorf("want ids of logit_bias in [0, %d), got %d", vocab, id)
		}
	}
	for _, id := range o.StopIDs {
		if id >= vocab {
			return fmt.Errorf("want stop_ids in [0, %d), got %d", vocab, id)
		}
	}
	return nil
}

// window returns the number of tokens that penalties look at.
func (o *Options) window() int {
	if o.PenaltyWindow == 0 {
		return DefaultPenaltyWindow
	}
	return o.PenaltyWindow
}

// penalised says whether there is a penalty.
func (o *Options) penalised() bool {
	return o.RepetitionPenalty != 0 && o.RepetitionPenalty != 1 || o.FrequencyPenalty != 0 || o.PresencePenalty != 0
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// sortedKeys returns the ids of a map, in order, so that errors name the same one
// every time.
func sortedKeys(m map[int]float64) []int {
	ids := make([]int, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
