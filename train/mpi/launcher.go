package mpi

import (
	"errors"
	"fmt"
	"strconv"
)

// sizes are the variables in which launchers announce the number of ranks: mpirun
// of Open MPI, and mpiexec of MPICH and its relatives, or srun --mpi=pmi2.
var sizes = []string{"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}

// rankOnly is what a launcher sets that speaks PMIx alone, such as srun --mpi=pmix.
const rankOnly = "PMIX_RANK"

// announced returns the number of ranks that a launcher has announced, and the
// variable that says so; 0 if it has not said how many. Without a launcher it
// is an error: MPI would begin a world of one rank.
func announced(lookup func(string) (string, bool)) (n int, variable string, err error) {
	for _, variable := range sizes {
		text, ok := lookup(variable)
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			return n, variable, nil
		}
		return 0, "", fmt.Errorf("%s: want a number of ranks > 0, got %q", variable, text)
	}
	if _, ok := lookup(rankOnly); ok {
		return 0, rankOnly, nil
	}
	return 0, "", errors.New("want a process that mpirun, mpiexec or srun has started (mpirun -np 4 PROGRAM ...), " +
		"got none of OMPI_COMM_WORLD_SIZE, PMI_SIZE and PMIX_RANK in the environment")
}

// checkSize compares the world of the library with the one announced.
func checkSize(size, n int, variable string) error {
	if n != 0 && size != n {
		return fmt.Errorf("want %d ranks, as %s says, got %d: the program is linked with another MPI library than that of its launcher",
			n, variable, size)
	}
	return nil
}
