package option

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram names the variable of the environment that lets this process be a program
// that runs until it is interrupted.
const asProgram = "OPTION_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	ctx := UntilInterrupt()
	fmt.Println("ready")
	select {
	case <-ctx.Done():
		fmt.Println("saves")
		bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Println("saved")
	case <-time.After(time.Minute):
	}
}

// A program that is told to end may save; closing its terminal tells it twice.
func TestUntilInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process is not sent signals there")
	}
	caught := make(chan os.Signal, 1) // so that programs do not inherit that these are ignored
	signal.Notify(caught, os.Interrupt, hangup)
	defer signal.Stop(caught)
	for name, c := range map[string]struct {
		nohup   bool
		signals []os.Signal
		want    string
	}{
		"Ctrl-C":             {false, []os.Signal{os.Interrupt}, "saves saved"},
		"SIGTERM":            {false, []os.Signal{syscall.SIGTERM}, "saves saved"},
		"terminal closed":    {false, []os.Signal{hangup, hangup}, "saves saved"},
		"Ctrl-C and closed":  {false, []os.Signal{os.Interrupt, hangup}, "saves saved"},
		"Ctrl-C twice":       {false, []os.Signal{os.Interrupt, os.Interrupt}, "saves signal: interrupt"},
		"nohup":              {true, []os.Signal{hangup, os.Interrupt}, "saves saved"},
		"nohup, closed only": {true, []os.Signal{hangup, syscall.SIGKILL}, "signal: killed"},
	} {
		if got := endOf(t, c.nohup, c.signals); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// endOf starts a program, sends it signals, and returns what it says and how it ends.
func endOf(t *testing.T, nohup bool, signals []os.Signal) string {
	t.Helper()
	program := exec.CommandContext(t.Context(), os.Args[0])
	if nohup {
		program = exec.CommandContext(t.Context(), "sh", "-c", `trap '' HUP; exec "$0"`, os.Args[0])
	}
	program.Env = append(os.Environ(), asProgram+"=1")
	in, err1 := program.StdinPipe()
	out, err2 := program.StdoutPipe()
	if err := errors.Join(err1, err2, program.Start()); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("got %q", lines.Text())
	}
	var said []string
	for i, s := range signals {
		if err := program.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if i == 0 && !(nohup && s == hangup) && lines.Scan() {
			said = append(said, lines.Text())
			time.Sleep(50 * time.Millisecond) // the program is done with the first signal
		}
	}
	time.Sleep(50 * time.Millisecond) // and with the last
	fmt.Fprintln(in)
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := program.Wait(); err != nil {
		said = append(said, err.Error())
	}
	return strings.Join(said, " ")
}

// A program and a package of one name say it once.
func TestMessage(t *testing.T) {
	for text, want := range map[string]string{
		"recall: -length: want 8": "recall: -length: want 8",
		"train: step 1":           "recall: train: step 1",
		"recalled":                "recall: recalled",
	} {
		if got := message("recall", errors.New(text)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
