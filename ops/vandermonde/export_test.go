package vandermonde

import "github.com/gorgonia-s4/s4/internal/num"

// Plan and DSSPlan are the arithmetic of Kernel and DSSKernel on slices.
type (
	Plan[T num.Float]    = plan[T]
	DSSPlan[T num.Float] = dssPlan[T]
)

func NewPlan[T num.Float](cfg Config, size Size) (*Plan[T], error) { return newPlan[T](cfg, size) }

func NewDSSPlan[T num.Float](cfg DSSConfig, size DSSSize) (*DSSPlan[T], error) {
	return newDSSPlan[T](cfg, size)
}
