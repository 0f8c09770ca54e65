package cauchy

import "github.com/gorgonia-s4/s4/internal/num"

// Plan is the arithmetic of Kernel on slices.
type Plan[T num.Float] = plan[T]

func NewPlan[T num.Float](cfg Config, size Size) (*Plan[T], error) { return newPlan[T](cfg, size) }
