package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// cluster is the directory of what starts the program on many machines.
const cluster = "../cluster"

// A mistake in one of the scripts is found when a night on a cluster is lost, or here.
func TestSlurmScript(t *testing.T) {
	path := filepath.Join(cluster, "train.sbatch")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("bash", "-n", path).CombinedOutput(); err != nil {
		t.Errorf("bash -n: %v\n%s", err, out)
	}
	known := map[string]string{
		"job-name": `\w+`, "nodes": `\d+`, "ntasks-per-node": `\d+`, "cpus-per-task": `\d+`, "mem": `\d+[KMGT]`, "time": `(\d+-)?\d+:\d\d:\d\d`,
		"signal": `TERM@\d+`, "requeue": ``, "open-mode": `append`, "output": `[\w%.-]+`,
	}
	option := regexp.MustCompile(`^#SBATCH --([a-z-]+)(?:=(.*))?$`)
	commands := false // sbatch reads no options behind the first of them
	for i, line := range strings.Split(string(text), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			commands = true
		}
		if !strings.HasPrefix(line, "#SBATCH") {
			continue
		}
		m := option.FindStringSubmatch(line)
		if m == nil || commands {
			t.Errorf("line %d: want an option before the first command, got %q", i+1, line)
			continue
		}
		value, ok := known[m[1]]
		if !ok || !regexp.MustCompile("^("+value+")$").MatchString(m[2]) {
			t.Errorf("line %d: want a value that fits %q, got %q", i+1, value, line)
		}
		delete(known, m[1])
	}
	if len(known) > 0 {
		t.Errorf("want each option once, got none of %v", known)
	}
	checkCommand(t, string(text))
}

// mpiJob is a job as version v2beta1 of the MPI operator takes it, as far as it is used.
type mpiJob struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Spec       struct {
		SlotsPerWorker    int    `yaml:"slotsPerWorker"`
		SSHAuthMountPath  string `yaml:"sshAuthMountPath"`
		MPIImplementation string `yaml:"mpiImplementation"`
		RunPolicy         struct {
			CleanPodPolicy string `yaml:"cleanPodPolicy"`
			BackoffLimit   int    `yaml:"backoffLimit"`
		} `yaml:"runPolicy"`
		MPIReplicaSpecs map[string]replicaSpec `yaml:"mpiReplicaSpecs"`
	}
}

type replicaSpec struct {
	Replicas      int
	RestartPolicy string `yaml:"restartPolicy"`
	Template      struct {
		Spec struct {
			TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
			Containers                    []container
			Volumes                       []struct {
				Name                  string
				PersistentVolumeClaim struct {
					ClaimName string `yaml:"claimName"`
				} `yaml:"persistentVolumeClaim"`
			}
		}
	}
}

type container struct {
	Name, Image     string
	SecurityContext struct {
		RunAsUser int `yaml:"runAsUser"`
	} `yaml:"securityContext"`
	Command   []string
	Env       []struct{ Name, Value string }
	Lifecycle struct {
		PreStop struct{ Exec struct{ Command []string } } `yaml:"preStop"`
	}
	Resources    struct{ Requests, Limits map[string]string }
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

// What the operator requires of a job: validateMPIJobSpec of its package validation.
func TestMPIJob(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(cluster, "mpijob.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var job mpiJob
	if err := d.Decode(&job); err != nil {
		t.Fatal(err)
	}
	s := job.Spec
	if job.APIVersion != "kubeflow.org/v2beta1" || job.Kind != "MPIJob" || !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(job.Metadata.Name) {
		t.Errorf("got %s %s %q", job.APIVersion, job.Kind, job.Metadata.Name)
	}
	if s.SlotsPerWorker < 1 || s.SSHAuthMountPath == "" || s.MPIImplementation != "OpenMPI" || s.RunPolicy.CleanPodPolicy != "Running" || s.RunPolicy.BackoffLimit < 1 {
		t.Errorf("got %+v", s)
	}
	launcher, worker := s.MPIReplicaSpecs["Launcher"], s.MPIReplicaSpecs["Worker"]
	if len(s.MPIReplicaSpecs) != 2 || launcher.Replicas != 1 || worker.Replicas < 1 {
		t.Errorf("want one Launcher and some Workers, got %+v", s.MPIReplicaSpecs)
	}
	for name, r := range s.MPIReplicaSpecs {
		if r.RestartPolicy != "Never" && r.RestartPolicy != "OnFailure" {
			t.Errorf("%s: restartPolicy: want Never or OnFailure, got %q", name, r.RestartPolicy)
		}
		volumes := make(map[string]bool)
		for _, v := range r.Template.Spec.Volumes {
			volumes[v.Name] = v.PersistentVolumeClaim.ClaimName != ""
		}
		if len(r.Template.Spec.Containers) != 1 {
			t.Fatalf("%s: want a container, got %+v", name, r.Template.Spec)
		}
		c := r.Template.Spec.Containers[0]
		for _, e := range c.Env {
			if !strings.HasPrefix(e.Name, "OMPI_MCA_") || e.Value == "" {
				t.Errorf("%s: got %+v", name, e)
			}
		}
		if c.Name == "" || c.Image == "" || len(c.Command) == 0 || len(c.VolumeMounts) == 0 {
			t.Errorf("%s: got %+v", name, c)
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] || m.MountPath == "" {
				t.Errorf("%s: no volume for %+v", name, m)
			}
		}
	}
	command := launcher.Template.Spec.Containers[0].Command
	script := command[len(command)-1]
	if out, err := exec.Command("bash", "-n", "-c", script).CombinedOutput(); err != nil || strings.Contains(script, "\n") {
		t.Errorf("want one line that bash reads, got %q: %v\n%s", script, err, out)
	}
	checkCommand(t, script)
}

// checkCommand checks the command line of the program that a script ends with.
func checkCommand(t *testing.T, script string) {
	t.Helper()
	_, line, _ := strings.Cut(script[max(0, strings.LastIndex(script, "/lra ")):], " ")
	line, _, _ = strings.Cut(line, "&")
	args := strings.Fields(strings.ReplaceAll(line, "\\\n", " "))
	if len(args) == 0 || args[0] != "-mpi" || args[len(args)-1] != "-resume" {
		t.Errorf("want lra -mpi ... -resume, got lra %q", args)
	}
	if _, err := program.Check(args, 45000, 1024); err != nil {
		t.Errorf("lra %q: %v", args, err)
	}
}
