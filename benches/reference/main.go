// Loads compose files with the reference implementation and tells how long it took.
//
// One request a line on standard input, one answer a line on standard output, both JSON. benches/reference.rs starts
// it and asks it and the Rust loader in turn.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/sirupsen/logrus"
)

type request struct {
	// Absolute: the project's directory and the compose files in the order in which they are merged.
	Dir   string   `json:"dir"`
	Files []string `json:"files"`
	// Variables of the caller.
	Environment map[string]string `json:"environment"`
	// How often to load; no consistency check: services may name what is not declared.
	Runs        int  `json:"runs"`
	Consistency bool `json:"consistency"`
}

type answer struct {
	// Nanoseconds of each run.
	Times []int64 `json:"times"`
	// Services of the project.
	Services int `json:"services"`
	// The most memory this process has had, in KiB.
	Peak int64 `json:"peak"`
	// Why it was refused.
	Error string `json:"error"`
}

// load does what `docker compose config` does up to the typed project.
func load(ask request) (int, error) {
	environment := make([]string, 0, len(ask.Environment))
	for name, value := range ask.Environment {
		environment = append(environment, name+"="+value)
	}
	options, err := cli.NewProjectOptions(ask.Files,
		cli.WithWorkingDirectory(ask.Dir),
		cli.WithEnv(environment),
		cli.WithEnvFiles(),
		cli.WithDotEnv,
		cli.WithConsistency(ask.Consistency),
	)
	if err != nil {
		return 0, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return 0, err
	}
	return len(project.Services), nil
}

func peak() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			number := strings.TrimSuffix(strings.TrimSpace(rest), " kB")
			kib, _ := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
			return kib
		}
	}
	return 0
}

func handle(ask request) answer {
	out := answer{Times: []int64{}}
	for _, file := range append([]string{ask.Dir}, ask.Files...) {
		if !filepath.IsAbs(file) {
			out.Error = file + " is not absolute"
			return out
		}
	}
	for range ask.Runs {
		// Each run pays for its own garbage, not for that of the one before.
		runtime.GC()
		begun := time.Now()
		services, err := load(ask)
		if err != nil {
			out.Error = err.Error()
			return out
		}
		out.Times = append(out.Times, time.Since(begun).Nanoseconds())
		out.Services = services
	}
	out.Peak = peak()
	return out
}

func main() {
	logrus.SetOutput(io.Discard)
	lines := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		var ask request
		if err == nil {
			err = json.Unmarshal(line, &ask)
		}
		if err == nil {
			err = out.Encode(handle(ask))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
