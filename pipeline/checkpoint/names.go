package checkpoint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// id is a file's name taken apart. No name is ever used twice: a cycle has its
// own number, and two owners that take the same one differ in theirs.
type id struct {
	kind  Kind
	group int
	cycle uint64
	owner uint32
}

const (
	suffix    = ".fck"
	temporary = ".tmp"
)

func (i id) name() string {
	switch i.kind {
	case GroupFile:
		return fmt.Sprintf("group-%02x-%012d-%d%s", i.group, i.cycle, i.owner, suffix)
	case AdmissionFile:
		return fmt.Sprintf("admission-%d-%012d-%d%s", i.group, i.cycle, i.owner, suffix)
	}
	return fmt.Sprintf("manifest-%012d-%d%s", i.cycle, i.owner, suffix)
}

// parse takes a name apart; an error for what is no file of ours.
func parse(name string) (i id, err error) {
	switch kind, _, _ := strings.Cut(name, "-"); kind {
	case "group":
		i.kind = GroupFile
		_, err = fmt.Sscanf(name, "group-%x-%d-%d"+suffix, &i.group, &i.cycle, &i.owner)
	case "admission":
		i.kind = AdmissionFile
		_, err = fmt.Sscanf(name, "admission-%d-%d-%d"+suffix, &i.group, &i.cycle, &i.owner)
	default:
		i.kind = ManifestFile
		_, err = fmt.Sscanf(name, "manifest-%d-%d"+suffix, &i.cycle, &i.owner)
	}
	if err == nil && i.name() != name { // the one way to write it
		err = fmt.Errorf("%q is no checkpoint file", name)
	}
	return i, err
}

// manifests are those of names that are one, newest first.
func manifests(names []string) []string {
	var ids []id
	for _, name := range names {
		if i, err := parse(name); err == nil && i.kind == ManifestFile {
			ids = append(ids, i)
		}
	}
	slices.SortFunc(ids, func(a, b id) int {
		return -cmp.Or(cmp.Compare(a.cycle, b.cycle), cmp.Compare(a.owner, b.owner))
	})
	var sorted []string
	for _, i := range ids {
		sorted = append(sorted, i.name())
	}
	return sorted
}

// newestCycle is the largest number that any name has, whole or not.
func newestCycle(names []string) (newest uint64) {
	for _, name := range names {
		if i, err := parse(strings.TrimSuffix(name, temporary)); err == nil {
			newest = max(newest, i.cycle)
		}
	}
	return newest
}
