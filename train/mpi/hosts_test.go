//go:build mpi && cgo && linux

package mpi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// diskSize is room for many checkpoints of the small model.
const diskSize = 1 << 20

// hosts are two machines, alpha and beta, that mpirun joins over TCP: see
// testdata/hosts.sh. All that is sent stays between them.
type hosts struct {
	prefix string // of the names of their network namespaces
	disk   string // a directory in memory, of diskSize bytes
	agent  string // the program in the place of ssh
	self   string // this test, which is the program of the ranks too
	files  string // a directory for what mpirun keeps
}

// made counts the hosts of this process.
var made atomic.Int64

// newHosts makes hosts that are there until the test ends, whatever ends it, and runs
// the test beside others: mostly it waits.
func newHosts(t *testing.T) hosts {
	t.Helper()
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("want to be root, to make network namespaces")
	}
	for _, program := range []string{"ip", "unshare", "mpirun"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("want the programs of iproute2, util-linux and openmpi-bin: %v", err)
		}
	}
	agent, err1 := filepath.Abs("testdata/agent.sh")
	self, err2 := os.Executable()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	h := hosts{prefix: fmt.Sprintf("s4-%d-%d", os.Getpid(), made.Add(1)), disk: t.TempDir(), agent: agent, self: self, files: t.TempDir()}
	keeper := exec.Command("testdata/hosts.sh", h.prefix, h.disk, strconv.Itoa(diskSize))
	keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	in, err1 := keeper.StdinPipe()
	out, err2 := keeper.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		keeper.Wait()
	})
	said, _ := bufio.NewReader(out).ReadString('\n')
	if said != "ready\n" {
		rest, _ := io.ReadAll(out)
		t.Skipf("no network namespaces can be made here: %s%s", said, rest)
	}
	return h
}

// ip runs a command of iproute2 on a host.
func (h hosts) ip(t *testing.T, host string, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", append([]string{"-n", h.prefix + "-" + host}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

// processes returns the ids of all processes on a host.
func (h hosts) processes(t *testing.T, host string) (ids []int) {
	t.Helper()
	out, err := exec.Command("ip", "netns", "pids", h.prefix+"-"+host).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(out)) {
		id, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// kill ends a host as a failure of its machine would: no process has a last word.
func (h hosts) kill(t *testing.T, host string) {
	t.Helper()
	for _, id := range h.processes(t, host) {
		syscall.Kill(id, syscall.SIGKILL)
	}
}

// both are two ranks on each host.
const both = "alpha:2,beta:2"

// options are those of mpirun between hosts: see "Between hosts" in the
// documentation of package mpi. With mpi_yield_when_idle ranks that waited for others to
// begin were seen to hold up all of the machine, on Linux 6.18, for most of a minute.
var options = []string{
	"--mca", "plm_rsh_no_tree_spawn", "1", "--mca", "pml", "ob1", "--mca", "btl", "self,tcp",
	"--mca", "btl_tcp_if_include", "eth0", "--mca", "oob_tcp_if_include", "eth0",
	"--mca", "oob_tcp_keepalive_time", "2", "--mca", "oob_tcp_keepalive_intvl", "1", "--mca", "oob_tcp_keepalive_probes", "3",
	"--bind-to", "none", "--mca", "mpi_yield_when_idle", "0",
}

// start starts a job on hosts, "alpha:2" with two ranks on alpha, from the first of
// them.
func (h hosts) start(t *testing.T, where string, j job) running {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(where, ":")
	args := []string{first, "exec mpirun --allow-run-as-root --timeout 60", "--mca orte_tmpdir_base", h.files, "--mca plm_rsh_agent", h.agent, "--host", where}
	args = append(append(args, options...), "-x", caseVariable, "-x", jobVariable, h.self)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r := running{exec.CommandContext(ctx, h.agent, args...), new(output), ctx}
	r.Env = append(os.Environ(), "HOSTS="+h.prefix, caseVariable+"=job", jobVariable+"="+string(text))
	r.Stdout, r.Stderr = r.output, r.output
	r.WaitDelay = time.Second
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs a job that comes to its end.
func (h hosts) run(t *testing.T, where string, j job) {
	t.Helper()
	wait(t, h.start(t, where, j)).ends(0)
}

// fails waits for a run that fails, with an error that says all the texts, and nothing of
// which is left on any host.
func (h hosts) fails(t *testing.T, r running, texts ...string) {
	t.Helper()
	began := time.Now()
	l := wait(t, r)
	t.Logf("status %d after %.1f s:\n%s", l.status, time.Since(began).Seconds(), l.output)
	if l.status == 0 {
		t.Error("want a status other than 0")
	}
	l.ends(l.status, texts...)
	for _, host := range []string{"alpha", "beta"} {
		for ; len(h.processes(t, host)) > 0; time.Sleep(50 * time.Millisecond) {
			if time.Since(began) > patience {
				t.Fatalf("want an end of all processes on %s, got none after %v", host, patience)
			}
		}
	}
}

// Ranks on two hosts learn what one process learns.
func TestHostsTrainAsOneProcess(t *testing.T) {
	h := newHosts(t)
	j := job{Dir: h.disk, Steps: steps}
	h.run(t, both, j)
	sameAsAlone(t, j)
}

// A host that is lost ends the run, with an error that names it if it is not that
// of mpirun; the last checkpoint is whole, and the host that is left goes on from it.
func TestALostHostEndsTheRun(t *testing.T) {
	beta := []string{"lost communication", "Remote daemon", "on node beta"}
	for name, c := range map[string]struct {
		lose func(h hosts, t *testing.T)
		says []string
		left string
	}{
		"killed":           {func(h hosts, t *testing.T) { h.kill(t, "beta") }, beta, "alpha:2"},
		"cut off":          {func(h hosts, t *testing.T) { h.ip(t, "beta", "link", "set", "eth0", "down") }, beta, "alpha:2"},
		"killed, mpirun's": {func(h hosts, t *testing.T) { h.kill(t, "alpha") }, nil, "beta:2"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHosts(t)
			j := job{Dir: h.disk, Steps: steps, Pause: 50 * time.Millisecond}
			r := h.start(t, both, j)
			awaitStep(t, r, j, 3)
			c.lose(h, t)
			h.fails(t, r, c.says...)
			h.ip(t, "beta", "link", "set", "eth0", "up")
			if step := stepOf(t, j); step < 3 || step >= j.Steps {
				t.Errorf("want a checkpoint of the run as it was, got one of step %d", step)
			}
			j.Resume, j.Pause = true, 0
			h.run(t, c.left, j)
			sameAsAlone(t, j)
		})
	}
}
