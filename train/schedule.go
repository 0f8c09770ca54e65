package train

import (
	"fmt"
	"math"
)

// ScheduleKind names the shape of a learning rate schedule.
type ScheduleKind string

const (
	// Constant keeps the peak rate. It is the default.
	Constant ScheduleKind = "constant"
	// Cosine falls along half a cosine: the first step after the warm-up has
	// the peak, the last step of the run Schedule.Min. If there is only one step
	// after the warm-up, it is the last one.
	Cosine ScheduleKind = "cosine"
	// Plateau multiplies the rate by Schedule.Drop whenever the monitored
	// metric has not improved for more than Schedule.Patience evaluations.
	Plateau ScheduleKind = "plateau"
)

// Schedule configures how the learning rate changes over a run. It gives a
// factor: the rate of a parameter at a step is the parameter's own peak rate
// times the factor, so that parameters with rates of their own keep their
// ratio. The zero value is a constant rate.
type Schedule struct {
	// Kind is the shape after the warm-up; "" is Constant.
	Kind ScheduleKind `json:"kind,omitempty"`
	// WarmUp is the number of steps in which the factor rises linearly to 1:
	// step s (0, 1, ...) of the warm-up has the factor (s+1)/WarmUp.
	WarmUp int `json:"warm_up,omitempty"`
	// Min is the smallest factor, in [0, 1): where Cosine ends, and where
	// Plateau stops falling.
	Min float64 `json:"min,omitempty"`
	// Drop is the factor of one fall of Plateau, in (0, 1).
	Drop float64 `json:"drop,omitempty"`
	// Patience is the number of evaluations without improvement that Plateau
	// tolerates.
	Patience int `json:"patience,omitempty"`
}

// Validate reports the first field that is out of range.
func (c Schedule) Validate() error {
	switch c.Kind {
	case "", Constant, Cosine, Plateau:
	default:
		return fmt.Errorf("train: Schedule: want Kind %q, %q or %q, got %q", Constant, Cosine, Plateau, c.Kind)
	}
	switch {
	case c.WarmUp < 0:
		return fmt.Errorf("train: Schedule: want WarmUp >= 0, got %d", c.WarmUp)
	case !(c.Min >= 0 && c.Min < 1):
		return fmt.Errorf("train: Schedule: want Min in [0, 1), got %g", c.Min)
	case c.Kind == Plateau && !(c.Drop > 0 && c.Drop < 1):
		return fmt.Errorf("train: Schedule: want Drop in (0, 1), got %g", c.Drop)
	case c.Kind == Plateau && c.Patience < 0:
		return fmt.Errorf("train: Schedule: want Patience >= 0, got %d", c.Patience)
	case c.Kind != Plateau && (c.Drop != 0 || c.Patience != 0):
		return fmt.Errorf("train: Schedule: Drop and Patience belong to Kind %q, got Kind %q", Plateau, c.Kind)
	}
	return nil
}

// ScheduleState is what a Scheduler remembers from evaluation to evaluation.
type ScheduleState struct {
	// Falls is how often Plateau has lowered the rate.
	Falls int `json:"falls"`
	// Waiting is the number of evaluations since the last improvement or fall.
	Waiting int `json:"waiting"`
}

// Scheduler follows a Schedule through a run.
type Scheduler struct {
	cfg   Schedule
	steps int
	state ScheduleState
}

// NewScheduler returns a scheduler for a run of the given number of steps,
// which must exceed the warm-up: a run that is all warm-up would not come to
// the shape that Kind names.
func NewScheduler(cfg Schedule, steps int) (*Scheduler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if steps <= cfg.WarmUp {
		return nil, fmt.Errorf("train: Schedule: want WarmUp below the number of steps, %d, got %d", steps, cfg.WarmUp)
	}
	return &Scheduler{cfg: cfg, steps: steps}, nil
}

// Factor returns the factor of the learning rate at a step, counted from 0.
// From the last step of the run on it stays as it is there.
func (s *Scheduler) Factor(step int) float64 {
	if step < s.cfg.WarmUp {
		return float64(step+1) / float64(s.cfg.WarmUp)
	}
	switch s.cfg.Kind {
	case Cosine:
		last := s.steps - 1
		if step >= last {
			return s.cfg.Min
		}
		progress := float64(step-s.cfg.WarmUp) / float64(last-s.cfg.WarmUp)
		return s.cfg.Min + (1-s.cfg.Min)*0.5*(1+math.Cos(math.Pi*progress))
	case Plateau:
		return max(s.cfg.Min, math.Pow(s.cfg.Drop, float64(s.state.Falls)))
	}
	return 1
}

// Observe tells the scheduler whether an evaluation improved the monitored
// metric. Only Plateau listens.
func (s *Scheduler) Observe(improved bool) {
	if s.cfg.Kind != Plateau {
		return
	}
	if improved {
		s.state.Waiting = 0
		return
	}
	s.state.Waiting++
	if s.state.Waiting > s.cfg.Patience {
		s.state.Falls++
		s.state.Waiting = 0
	}
}

// State returns what a checkpoint must store.
func (s *Scheduler) State() ScheduleState { return s.state }

// SetState continues from a stored state.
func (s *Scheduler) SetState(st ScheduleState) { s.state = st }
