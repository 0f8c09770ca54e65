package experiment

import (
	"context"
	"errors"
	"io"
)

func (p *Program) eval(ctx context.Context, args []string, out io.Writer) error {
	return errors.New("eval: not yet")
}

func (p *Program) predict(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	return errors.New("predict: not yet")
}

func (p *Program) report(args []string, out io.Writer) error { return errors.New("report: not yet") }

func (r *training) initialise() error { return nil }
