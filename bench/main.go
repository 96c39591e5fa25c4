package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// sections are what can be measured, in the order of a whole run.
var sections = []struct {
	name string
	run  func() error
}{
	{"engine", benchEngine},
	{"example", benchExample},
	{"shape", benchShape},
	{"count", benchCount},
	{"memory", benchMemory},
	{"snapshot", benchSnapshot},
	{"checkpoint", benchCheckpoint},
	{"file", benchFile},
	{"kafka", benchKafka},
	{"latency", benchLatency},
	{"pressure", benchPressure},
}

func main() {
	wanted := os.Args[1:]
	fmt.Printf("%s, %d cores, %s, load before: %s\n", cpuModel(), runtime.NumCPU(), runtime.Version(), load())
	for _, s := range sections {
		if len(wanted) > 0 && !slices.Contains(wanted, s.name) {
			continue
		}
		fmt.Printf("\n## %s\n", s.name)
		if err := s.run(); err != nil {
			fmt.Fprintf(os.Stderr, "bench %s: %v\n", s.name, err)
			os.Exit(1)
		}
	}
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
