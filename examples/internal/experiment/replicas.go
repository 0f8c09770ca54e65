package experiment

import (
	"context"
	"io"

	"github.com/gorgonia-s4/s4/train"
)

// replicate trains on several ranks in this process, each a goroutine with a model and a
// trainer of its own. They share the data, and the cores.
func (p *Program) replicate(ctx context.Context, o *options, args []string, out io.Writer) error {
	n := o.replicas
	if err := checkNumber("-replicas", n, o); err != nil { // so many may not fit in memory
		return err
	}
	all := make([]*training, n)
	for i := range all {
		all[i] = &training{out: io.Discard, leader: all[0]}
		// Each has options of its own, which are bent to the data.
		var err error
		if all[i].options, err = p.parse(args, io.Discard); err != nil {
			return err
		}
	}
	all[0].out = out
	return train.RunGroup(n, func(g train.Group) error {
		r := all[g.Rank()]
		r.ranks = ranks{g: g, what: "-replicas"}
		return r.end(r.run(ctx))
	})
}
