package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/pipeline"
)

// What the collector makes of a memory limit: it works harder from there on,
// and more often all the time, so that what is live is known; the state has
// hardly any references, so it has little to do.
const (
	collectorPart    = 0.9
	collectorPercent = 50
	// Below so much of a heap nothing is collected, or below this part of the limit:
	// what a small heap saves is not worth a round every second, in which all that
	// waits for an answer waits longer.
	heapFloor     = 256 << 20
	heapFloorPart = 0.25
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

// collector says when the collector begins a round, of a process whose data may
// take so much; 0: there is no limit. GOGC has the last word.
func collector(limit int64) pipeline.Collector {
	switch {
	case os.Getenv("GOGC") != "":
		return pipeline.Collector{}
	case limit > 0:
		return pipeline.Collector{Percent: collectorPercent, Floor: min(heapFloor, int64(heapFloorPart*float64(limit)))}
	}
	return pipeline.Collector{Percent: 100, Floor: heapFloor}
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
