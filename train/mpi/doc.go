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
//     odls_base_sigkill_timeout makes both seconds longer. So a script turns the
//     one into the other, with a session for mpirun that no terminal signals:
//     setsid mpirun ... & p=$!; trap "kill -USR1 $p" INT TERM; wait $p || wait $p
//   - A rank that ends with a status other than 0, or without [Comm.Finalize],
//     ends the others, in the same way.
//   - For one or two ranks mpirun binds each to a single core, and GOMAXPROCS
//     is 1 then. Use --bind-to none, or --map-by slot:PE=8 for 8 cores a rank.
//   - A rank that waits in MPI keeps a core busy; with more ranks than cores
//     (--oversubscribe) it yields between its looks (mpi_yield_when_idle). A [Comm]
//     waits for slower ranks before it calls MPI, and sleeps there: while a rank on
//     the same core worked for a second, one that waited used 0.04 s of it, and
//     without sleep and yield 0.99 s. MPICH does not yield: with it more ranks than
//     cores are slow.
//
// # Between hosts
//
// With Open MPI 4.1 over Ethernet, started by ssh:
//
//	mpirun -np 8 --hostfile hosts --bind-to none --mca plm_rsh_no_tree_spawn 1
//	  --mca pml ob1 --mca btl self,vader,tcp
//	  --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0
//	  --mca oob_tcp_keepalive_time 2 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3
//	  lra -mpi ...
//
// What the parameters are for:
//
//   - pml and btl: shared memory within a host and TCP between
//     hosts. Leave them out where there is a faster network.
//   - The interfaces (or networks, 10.0.0.0/16) are those that reach the other hosts. Of
//     its own accord Open MPI tries all, those of containers too, and may wait for
//     ever for an answer.
//   - The keepalive finds a host that is gone without a word, without power or with its
//     cable cut: after 5 seconds instead of 8 minutes. mpirun says "ORTE has lost
//     communication with a remote daemon", with the name of the host, and all ranks
//     end on both sides of the cut. A host whose processes are killed is
//     noticed at once.
//   - Without plm_rsh_no_tree_spawn the connections of ssh stay open, and a host that
//     is lost is an ssh that has failed: "unable to reliably start one or more
//     daemons", without a name.
//   - [Timeout] ends the ranks, which is as far as it can see: mpirun and the daemon of
//     a lost host wait on without the keepalive.
//   - If the host of mpirun is lost, all ranks end, and nobody is left to say so.
//   - Output that is on its way when a host is cut off keeps its daemon until TCP
//     gives up, a quarter of an hour later: let rank 0 alone print.
//
// Rank 0 alone reads and writes checkpoints. A run that has lost a host goes on
// with those that are left, from the last checkpoint, if the new rank 0 can read it:
// the directory belongs on a disk that the hosts share.
package mpi
