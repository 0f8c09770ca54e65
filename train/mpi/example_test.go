package mpi_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/gorgonia-s4/s4/train"
	"github.com/gorgonia-s4/s4/train/mpi"
)

// A program that mpirun starts on each rank: what Run is given is a train.Group. It is
// built with -tags mpi; without the tag the error says so.
func ExampleRun() {
	err := mpi.Run(func(c *mpi.Comm) error {
		trainer, err := newTrainer(c)
		if err := train.Agree(c, err); err != nil {
			return err
		}
		defer trainer.Close()
		_, err = trainer.Fit(context.Background())
		return err
	}, mpi.Timeout(10*time.Minute))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// newTrainer makes the trainer of a rank: see train.ExampleWithGroup.
func newTrainer(g train.Group) (*train.Trainer, error) {
	return train.New(train.Config{}, nil, nil, nil, train.WithGroup(g, train.GroupConfig{}))
}

// MPI without Run: whoever fails has to end all the others.
func ExampleInit() {
	limit := []mpi.Option{mpi.Timeout(time.Minute)}
	c, err := mpi.Init(limit...)
	if err != nil {
		log.Fatal(err)
	}
	sum, send, receive := []float32{1}, make([]byte, c.Size()), make([]byte, c.Size())
	for _, f := range []func() error{
		c.Barrier,
		func() error { return c.SumFloat32(sum) },
		func() error { return c.SumFloat64([]float64{1}) },
		func() error { return c.Broadcast([]byte("of rank 0")) },
		func() error { return c.Exchange(receive, send) },
		func() error { _, err := c.Gather([]byte(fmt.Sprint("rank ", c.Rank()))); return err },
	} {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			c.Abort(1)
		}
	}
	if c.Rank() == 0 {
		fmt.Println(sum[0], "ranks")
	}
	if err := c.Finalize(); err != nil {
		log.Fatal(err)
	}
}
