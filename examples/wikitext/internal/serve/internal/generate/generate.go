// Package generate stands for the engine.
package generate

import (
	"context"
	"errors"

	"github.com/gorgonia-s4/s4/layers"
)

type Tokenizer interface {
	Vocab() int
	EOS() int
	Encode(dst []int, text []byte) ([]int, error)
	Decode(dst []byte, ids ...int) []byte
}

type Options struct {
	MaxTokens                         int
	Temperature                       float64
	TopK                              int
	TopP, MinP                        float64
	RepetitionPenalty                 float64
	PresencePenalty, FrequencyPenalty float64
	PenaltyWindow                     int
	LogitBias                         map[int]float64
	Stop                              []string
	StopIDs                           []int
	IgnoreEOS                         bool
	Seed                              uint64
	LogProbs                          int
}

type Request struct {
	Text      string
	Prompt    []int
	State     layers.State
	Options   Options
	KeepState bool
}

type Piece struct {
	ID      int
	Token   string
	Text    string
	LogProb float64
	Top     []TokenLogProb
}

type TokenLogProb struct {
	ID      int
	LogProb float64
}

const (
	Stop      = "stop"
	Length    = "length"
	Cancelled = "cancelled"
	Failed    = "error"
)

type Usage struct{ Prompt, Completion int }

type Result struct {
	Text         string
	IDs          []int
	LogProb      float64
	FinishReason string
	StopString   string
	Usage        Usage
	State        layers.State
}

type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
	Count  uint64
}

type Stats struct {
	Rows, MaxRows, Ingesting, Queued, MaxQueue                               int
	Tokens, PromptTokens, Requests, Busy, Stopped, Length, Cancelled, Failed uint64
	Steps, StepRows                                                          uint64
	StepTime                                                                 Histogram
}

var (
	ErrBusy   = errors.New("generate: the engine is busy")
	ErrClosed = errors.New("generate: the engine is closed")
	ErrSlow   = errors.New("generate: slow")
)

type Stream struct{}

func (*Stream) Next() (Piece, error) { return Piece{}, nil }
func (*Stream) Result() *Result      { return nil }
func (*Stream) Close() error         { return nil }

type Engine struct{}

func (*Engine) Submit(context.Context, Request) (*Stream, error) { return nil, nil }
func (*Engine) CheckState(layers.State) error                    { return nil }
func (*Engine) Stats() Stats                                     { return Stats{} }
