package mpi

import (
	"strings"
	"testing"
)

func TestAnnounced(t *testing.T) {
	for _, c := range []struct {
		environment map[string]string
		n           int
		variable    string
		err         string
	}{
		{map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "1"}, 4, "OMPI_COMM_WORLD_SIZE", ""},
		{map[string]string{"PMI_SIZE": "1"}, 1, "PMI_SIZE", ""},
		{map[string]string{"PMIX_RANK": "0"}, 0, "PMIX_RANK", ""},
		{map[string]string{"PMI_SIZE": "none"}, 0, "", `PMI_SIZE: want a number of ranks > 0, got "none"`},
		{map[string]string{"OMPI_COMM_WORLD_SIZE": "0"}, 0, "", `OMPI_COMM_WORLD_SIZE: want a number of ranks > 0, got "0"`},
		{nil, 0, "", "want a process that mpirun, mpiexec or srun has started (mpirun -np 4 PROGRAM ...), got none"},
	} {
		n, variable, err := announced(func(name string) (string, bool) { v, ok := c.environment[name]; return v, ok })
		if n != c.n || variable != c.variable || !says(err, c.err) {
			t.Errorf("%v: want %d of %q and error %q, got %d of %q and %v", c.environment, c.n, c.variable, c.err, n, variable, err)
		}
	}
}

// says reports whether an error has a text; "" is no error.
func says(err error, text string) bool {
	return (err == nil) == (text == "") && (err == nil || strings.Contains(err.Error(), text))
}

func TestCheckSize(t *testing.T) {
	for _, c := range []struct {
		size, n int
		err     string
	}{
		{4, 4, ""}, {1, 1, ""}, {3, 0, ""},
		{1, 4, "want 4 ranks, as PMI_SIZE says, got 1: the program is linked with another MPI library"},
	} {
		if err := checkSize(c.size, c.n, "PMI_SIZE"); !says(err, c.err) {
			t.Errorf("%d ranks of %d: want %q, got %v", c.size, c.n, c.err, err)
		}
	}
}

func TestCheckHeads(t *testing.T) {
	for _, c := range []struct {
		heads []head
		err   string
	}{
		{[]head{{sumFloat32, 3}, {sumFloat32, 3}}, ""},
		{[]head{{gather, 3}, {gather, 0}}, ""},
		{[]head{{sumFloat32, 3}, {sumFloat32, 3}, {sumFloat32, 4}}, "want the same length on all ranks, got 3 on rank 0 and 4 on rank 2"},
		{[]head{{exchange, 4}, {exchange, -1}}, "want lengths that are right on all ranks, got others on rank 1"},
		{[]head{{exchange, -1}, {exchange, 4}}, "want lengths that are right on all ranks, got others on rank 0"},
		{[]head{{gather, 4}, {broadcast, 4}}, "want the same call on all ranks, got Gather on rank 0 and Broadcast on rank 1"},
		{[]head{{barrier, 0}, {77, 0}}, "got Barrier on rank 0 and call 77, of another version, on rank 1"},
		{[]head{{gather, 4}, {ending, 0}}, "want a call of all ranks, got rank 1 at its end"},
		{[]head{{ending, 0}, {gather, 4}}, "want a call of all ranks, got rank 0 at its end"},
	} {
		if err := checkHeads(c.heads); !says(err, c.err) {
			t.Errorf("%v: want %q, got %v", c.heads, c.err, err)
		}
	}
}

// A Comm that Init has not returned does nothing, and does not panic.
func TestNoComm(t *testing.T) {
	for name, c := range map[string]*Comm{"nil": nil, "zero": {}} {
		_, gathered := c.Gather(nil)
		for call, err := range map[string]error{
			"Barrier": c.Barrier(), "SumFloat32": c.SumFloat32(make([]float32, 1)), "SumFloat64": c.SumFloat64(nil), "Gather": gathered,
			"Broadcast": c.Broadcast(nil), "Exchange": c.Exchange(nil, nil), "Finalize": c.Finalize(),
		} {
			if want := "mpi: " + call + ": want a Comm that Init has returned"; !says(err, want) {
				t.Errorf("%s Comm: %s: want %q, got %v", name, call, want, err)
			}
		}
		if c.Rank() != 0 || c.Size() != 0 {
			t.Errorf("%s Comm: want rank 0 of 0, got %d of %d", name, c.Rank(), c.Size())
		}
	}
}
