package main

import (
	"errors"
	"testing"
)

func TestTheContainersMemoryLimit(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"none":       {nil, 0},
		"version 2":  {map[string]string{"/sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		"no limit":   {map[string]string{"/sys/fs/cgroup/memory.max": "max\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, 0},
		"own group":  {map[string]string{"/proc/self/cgroup": "0::/pods/a\n", "/sys/fs/cgroup/pods/a/memory.max": "1073741824"}, 1 << 30},
		"version 1":  {map[string]string{"/proc/self/cgroup": "7:memory:/x\n3:cpu:/x\n", "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1000"}, 1000},
		"the lowest": {map[string]string{"/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/memory.max": "3000", "/sys/fs/cgroup/a/memory.max": "2000"}, 2000},
	} {
		got := cgroupLimit(func(file string) ([]byte, error) {
			if text, ok := c.files[file]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("no such file")
		})
		if got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
