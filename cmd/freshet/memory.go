package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config"
)

const (
	// collectorPart is the part of the limit from which the collector works harder.
	collectorPart = 0.9
	// ofTheBinary is what the limit counts and the collector does not: the pages of
	// the binary itself.
	ofTheBinary = 40 << 20
)

// limitMemory has the process keep to its memory limit, and returns in bytes what
// of it the data may take; 0: there is none.
func (p *plant) limitMemory() int64 {
	limit, from := int64(p.settings.MemoryLimit), "memory_limit"
	if limit == 0 {
		if limit = cgroupLimit(os.ReadFile); limit == 0 {
			return 0
		}
		from = "the container"
	}
	own := max(limit-ofTheBinary, limit/2)
	debug.SetMemoryLimit(int64(collectorPart * float64(own)))
	p.log.Info("memory is limited", "limit", config.Bytes(limit).String(), "from", from)
	return own
}

// noLimit is more than any machine has: cgroups say so where there is no limit.
const noLimit = 1 << 50

// cgroupLimit is what the process's cgroup may take, version 2 or 1; 0 where
// it has no limit or does not say.
func cgroupLimit(read func(string) ([]byte, error)) int64 {
	files := []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}
	if groups, err := read("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(groups)) {
			parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
			switch {
			case len(parts) == 3 && parts[1] == "":
				files = append(files, filepath.Join("/sys/fs/cgroup", parts[2], "memory.max"))
			case len(parts) == 3 && parts[1] == "memory":
				files = append(files, filepath.Join("/sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes"))
			}
		}
	}
	least := int64(0)
	for _, file := range files {
		text, err := read(file)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && n > 0 && n < noLimit && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}
