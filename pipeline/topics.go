package pipeline

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/freshet-dev/freshet/sources"
)

// The metadata of committed offsets says which topics they are of: a topic that was
// deleted and made anew has lost its own offsets with it, and would be taken for
// one that is new to the run, fully covered from its offset 0.
const (
	topicsMark = " topics="
	// maxMarked bounds the mark: offset metadata is short (4,096 bytes).
	maxMarked = 32
)

// shortHash is enough to tell a topic from another of one run.
func shortHash(text string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text)) // never fails
	return fmt.Sprintf("%08x", h.Sum32())
}

// topicsOf is what the metadata says of the topics: " topics=" and of each the
// hashes of its name and its id; "" where the log has no ids.
func (r *Runner) topicsOf(own *ownership) string {
	var marks []string
	for _, src := range r.spec.Sources {
		if id := own.topics[src.Index]; id != "" && len(marks) < maxMarked {
			marks = append(marks, shortHash(src.Topic)+":"+shortHash(id))
		}
	}
	if len(marks) == 0 {
		return ""
	}
	return topicsMark + strings.Join(marks, ",")
}

// remade looks whether a topic is another one than at the last commit.
func (r *Runner) remade(own *ownership, assigned []sources.Assigned) error {
	newest, metadata := uint64(0), ""
	for _, a := range assigned {
		if batch, _, _, ours := parseMetadata(a.Metadata); ours && batch >= newest {
			newest, metadata = batch, a.Metadata
		}
	}
	_, marks, _ := strings.Cut(metadata, topicsMark)
	marks, _, _ = strings.Cut(marks, " ")
	was := map[string]string{}
	for mark := range strings.SplitSeq(marks, ",") {
		name, id, _ := strings.Cut(mark, ":")
		was[name] = id
	}
	for _, src := range r.spec.Sources {
		id, known := was[shortHash(src.Topic)]
		if known && own.topics[src.Index] != "" && id != shortHash(own.topics[src.Index]) {
			return fmt.Errorf("topic %s of source %s was made anew since the last commit of group %s: what it held is gone, and its offsets mean other records; "+
				"use a new group, or run with --accept-gap to go on with what the new one has", src.Topic, src.Name, r.Group)
		}
	}
	return nil
}
