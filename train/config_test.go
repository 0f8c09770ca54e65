package train

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gorgonia-s4/s4/param"
)

func TestConfigSurvivesJSON(t *testing.T) {
	want := Config{
		Steps: 1, Epochs: 2, MaxDuration: Duration(9*time.Minute + 30*time.Second), BatchSize: 3, EvalBatchSize: 4,
		Buckets: []int{5, 6}, DropLast: true, InOrder: true, MicroBatch: 1, SyncNorm: true, Seed: math.MaxUint64, DType: Float64, LR: 0.1, WeightDecay: 1e-300,
		Clip: 8, Schedule: Schedule{Kind: Plateau, WarmUp: 9, Min: 0.1, Drop: 0.2, Patience: 10}, Rules: param.Rules{param.Rate("*.bias", 0.5)}, EvalEvery: 11,
		Monitor: Loss, Patience: 12, CheckpointDir: "d", CheckpointEvery: 13, Overwrite: true,
	}
	for i := range reflect.ValueOf(want).NumField() {
		if reflect.ValueOf(want).Field(i).IsZero() {
			t.Errorf("field %s is not tested", reflect.TypeOf(want).Field(i).Name)
		}
	}
	if err := want.Validate(); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Config
	if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s\ngave %+v (%v), want %+v", b, got, err, want)
	}
	if !strings.Contains(string(b), `"max_duration":"9m30s"`) {
		t.Errorf("%s does not have the duration as text", b)
	}
	if err := json.Unmarshal([]byte(`{"max_duration":"9 minutes"}`), &got); err == nil {
		t.Error("9 minutes was accepted")
	}
}

func TestConfigRejects(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"want Steps or Epochs >= 1, got neither":           func(c *Config) { c.Steps = 0 },
		"want Steps >= 0, got -1":                          func(c *Config) { c.Steps = -1 },
		"want Epochs >= 0, got -1":                         func(c *Config) { c.Epochs = -1 },
		"want MaxDuration >= 0, got -1ns":                  func(c *Config) { c.MaxDuration = -1 },
		"want BatchSize >= 1, got 0":                       func(c *Config) { c.BatchSize = 0 },
		"want EvalBatchSize >= 0, got -1":                  func(c *Config) { c.EvalBatchSize = -1 },
		"want Buckets positive and ascending, got [0 1]":   func(c *Config) { c.Buckets = []int{0, 1} },
		"want at most 1024 Buckets, got 1025":              func(c *Config) { c.Buckets = make([]int, 1025) },
		"want MicroBatch >= 0, got -1":                     func(c *Config) { c.MicroBatch = -1 },
		"want MicroBatch to divide BatchSize, 6, got 4":    func(c *Config) { c.BatchSize, c.MicroBatch = 6, 4 },
		`want DType "float32" or "float64", got "float16"`: func(c *Config) { c.DType = "float16" },
		"want LR > 0, got 0":                               func(c *Config) { c.LR = 0 },
		"want LR > 0, got +Inf":                            func(c *Config) { c.LR = math.Inf(1) },
		"want WeightDecay >= 0, got -0.1":                  func(c *Config) { c.WeightDecay = -0.1 },
		"want Clip >= 0, got NaN":                          func(c *Config) { c.Clip = math.NaN() },
		`want Kind "constant", "cosine" or "plateau", got`: func(c *Config) { c.Schedule.Kind = "step" },
		"want EvalEvery >= 0, got -1":                      func(c *Config) { c.EvalEvery = -1 },
		"want Patience >= 0, got -1":                       func(c *Config) { c.Patience = -1 },
		"want CheckpointEvery >= 0, got -1":                func(c *Config) { c.CheckpointEvery = -1 },
	} {
		c := Config{Steps: 1, BatchSize: 1, LR: 1}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestPlannedSteps(t *testing.T) {
	for _, c := range []struct {
		cfg                   Config
		perEpoch, limit, want int
	}{
		{Config{Steps: 10}, 4, 0, 10},
		{Config{Epochs: 3}, 4, 0, 12},
		{Config{Steps: 10, Epochs: 3}, 4, 0, 10},
		{Config{Steps: 20, Epochs: 3}, 4, 0, 12},
		{Config{Steps: 20, Epochs: 3}, 4, 7, 7},
	} {
		if got := c.cfg.planned(c.perEpoch, c.limit); got != c.want {
			t.Errorf("%+v: %d steps, want %d", c, got, c.want)
		}
	}
}
