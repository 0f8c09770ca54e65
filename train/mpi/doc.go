// Package mpi joins the processes that a launcher of MPI has started, on one
// machine or on many, into a [train.Group]:
//
//	func main() {
//		err := mpi.Run(func(c *mpi.Comm) error {
//			tr, err := train.New(cfg, model, trainSet, valSet, train.WithGroup(c, train.GroupConfig{}))
//			...
//		})
//		...
//	}
//
//	go build -tags mpi -o lra ./examples/lra
//	mpirun -np 4 --bind-to none lra -mpi ...
//
// [Run] initialises MPI and ends it, and takes care that no rank waits for one
// that has failed.
//
// # Building
//
// The package needs cgo and an MPI library, both only with the build tag mpi;
// without it everything compiles, and [Init] is an error that says what to
// build. For Open MPI the flags of the C compiler come from pkg-config:
//
//	apt-get install openmpi-bin libopenmpi-dev pkg-config
//	go build -tags mpi ...
//
// For another library (MPICH, Intel MPI, Cray MPICH) the tag mpiflags leaves them to the
// environment:
//
//	CGO_CFLAGS=$(pkg-config --cflags mpich) CGO_LDFLAGS=$(pkg-config --libs mpich) go build -tags mpi,mpiflags ...
//
// The launcher must be that of the library: [Init] reports a world of one rank
// where the launcher has announced more.
//
// # Threads and signals
//
// MPI_Init_thread and MPI_Finalize run on one thread that is kept for them, and
// the calls between them on whatever threads the goroutines have, one at a time:
// the library must grant MPI_THREAD_SERIALIZED. Go's signal handlers stay
// in place: those of Open MPI are installed only where there are none.
//
// # Launching
//
// What Open MPI 4.1 does, and a run should know:
//
//   - SIGUSR1 to mpirun is forwarded to all ranks at once, and leaves them the
//     time they need. SIGINT (Ctrl-C) and SIGTERM do not: a second later mpirun sends
//     SIGTERM to all ranks, and SIGKILL after another. The parameter
//     odls_base_sigkill_timeout makes both seconds longer, so a script that
//     has mpirun stopped in peace turns the one into the other:
//     mpirun ... & trap "kill -USR1 $!" INT TERM; wait; wait
//   - A rank that ends with a status other than 0, or without [Comm.Finalize],
//     ends the others, in the same way.
//   - For one or two ranks mpirun binds each to a single core, and GOMAXPROCS
//     is 1 then. Use --bind-to none, or --map-by slot:PE=8 for 8 cores a rank.
//   - A rank that waits in MPI keeps a core busy; with more ranks than cores
//     (--oversubscribe) it yields between its looks (mpi_yield_when_idle). A [Comm]
//     waits for slower ranks before it calls MPI, and sleeps there.
package mpi
