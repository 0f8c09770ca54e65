package recall

import "fmt"

// Task is a kind of task.
type Task string

// The tasks: see the package.
const (
	SelectiveCopying Task = "selective-copying"
	DelayedRecall    Task = "delay"
	InductionHeads   Task = "induction"
	Adding           Task = "adding"
)

// Tasks lists them.
func Tasks() []Task { return []Task{SelectiveCopying, DelayedRecall, InductionHeads, Adding} }

// The largest sizes, far above what is useful.
const (
	maxLength     = 1 << 20
	maxVocabulary = 1 << 16
	maxExamples   = 1 << 30
)

// Config describes a task. Task and Length must be set.
type Config struct {
	Task Task
	// Length is the number of steps, of the copying tasks those before the markers.
	Length int
	// Tokens is how many tokens are to be copied (M). The other tasks have none.
	Tokens int
	// Vocabulary is the number of token ids (A). The adding problem has none.
	Vocabulary int
	// Seed chooses the examples.
	Seed uint64
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	least, copies := 4, c.Task.copies()
	if copies {
		least = max(1, c.Tokens)
	}
	switch {
	case !copies && c.Task != InductionHeads && c.Task != Adding:
		return fmt.Errorf("recall: Config.Task: want one of %v, got %q", Tasks(), c.Task)
	case copies && c.Tokens < 1:
		return fmt.Errorf("recall: Config.Tokens: want >= 1, got %d", c.Tokens)
	case !copies && c.Tokens != 0:
		return fmt.Errorf("recall: Config.Tokens: want 0 for the task %s, got %d", c.Task, c.Tokens)
	case c.Length < least || c.Length > maxLength:
		return fmt.Errorf("recall: Config.Length: want %d to %d, got %d", least, maxLength, c.Length)
	case c.Task == Adding && c.Vocabulary != 0:
		return fmt.Errorf("recall: Config.Vocabulary: want 0 for the task %s, got %d", c.Task, c.Vocabulary)
	case c.Task != Adding && (c.Vocabulary < 4 || c.Vocabulary > maxVocabulary):
		return fmt.Errorf("recall: Config.Vocabulary: want 4 to %d, got %d", maxVocabulary, c.Vocabulary)
	}
	return nil
}

// copies says whether the task is one of copying.
func (t Task) copies() bool { return t == SelectiveCopying || t == DelayedRecall }

// Steps returns the number of steps of an example, the markers included.
func (c Config) Steps() int {
	if c.Task.copies() {
		return c.Length + c.Tokens
	}
	return c.Length
}

// Answers returns at how many steps a token is to be told: the last ones. It is 0 for
// the adding problem.
func (c Config) Answers() int {
	switch c.Task {
	case InductionHeads:
		return 1
	case Adding:
		return 0
	}
	return c.Tokens
}

// Chance returns the part of the tokens that are told by guessing, or the mean squared
// error of always telling the mean.
func (c Config) Chance() float64 {
	switch c.Task {
	case InductionHeads:
		return 1 / float64(c.Vocabulary-1)
	case Adding:
		return 1. / 6
	}
	return 1 / float64(c.Vocabulary-2)
}
