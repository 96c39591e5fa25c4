package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/record"
	"github.com/freshet-dev/freshet/sources"
)

// A panic inside Apply ends the process: its state cannot be trusted. A record
// that has done it twice would do it for ever, so it goes to the dead letters.
// What remembers it beyond the process is the metadata of the committed offsets,
// for as long as the log holds the record: a rebuild must pass it by as well.
const (
	poisonMark = " poison="
	// poisonous is how often a record may end the process.
	poisonous = 2
	// maxPoison bounds the marks: offset metadata is short (4,096 bytes).
	maxPoison = 32
)

// poison counts panics by place.
type poison map[string]int

// parsePoison reads " poison=payments:0:17*2,payments:1:3*1" out of metadata.
func parsePoison(metadata string) poison {
	_, list, found := strings.Cut(metadata, poisonMark)
	if !found {
		return nil
	}
	list, _, _ = strings.Cut(list, " ")
	marks := poison{}
	for mark := range strings.SplitSeq(list, ",") {
		place, count, _ := strings.Cut(mark, "*")
		if n, err := strconv.Atoi(count); err == nil {
			marks[place] = n
		}
	}
	return marks
}

func (p poison) String() string {
	if len(p) == 0 {
		return ""
	}
	var marks []string
	for place, n := range p {
		marks = append(marks, fmt.Sprintf("%s*%d", place, n))
	}
	slices.Sort(marks)
	return poisonMark + strings.Join(marks, ",")
}

// merge takes marks over, but for those whose record is gone.
func (o *ownership) merge(marks poison, partitionOf func(place string) (*partition, int64)) {
	for place, n := range marks {
		if p, offset := partitionOf(place); p == nil || offset < p.start {
			continue
		}
		if o.poison == nil {
			o.poison = poison{}
		}
		o.poison[place] = max(o.poison[place], n)
	}
}

// marks reads what the committed offsets say of records that ended a process.
func (r *Runner) marks(own *ownership, assigned []sources.Assigned) {
	r.mark(own, assigned)
	for place, n := range own.poison {
		r.Log.Warn("a record has ended a process by a panic before", "place", place, "times", n, "skipped", n >= poisonous)
	}
}

func (r *Runner) mark(own *ownership, assigned []sources.Assigned) {
	partitionOf := func(place string) (*partition, int64) {
		parts := strings.Split(place, ":")
		if len(parts) != 3 {
			return nil, 0
		}
		src, known := r.spec.Source(parts[0])
		partition, err := strconv.ParseInt(parts[1], 10, 32)
		offset, failed := strconv.ParseInt(parts[2], 10, 64)
		if !known || err != nil || failed != nil {
			return nil, 0
		}
		return own.parts[sources.PartitionID{Source: src.Index, Partition: int32(partition)}], offset
	}
	for _, a := range assigned {
		own.merge(parsePoison(a.Metadata), partitionOf)
	}
}

// poisoned reports whether a record must not be applied.
func (r *Runner) poisoned(rec *sources.Record) bool {
	return len(r.own.poison) > 0 && r.own.poison[r.placeOf(rec)] >= poisonous
}

func (r *Runner) placeOf(rec *sources.Record) string {
	return fmt.Sprintf("%s:%d:%d", r.spec.Sources[rec.Source].Name, rec.Partition, rec.Offset)
}

// refusePoison makes the dead letter of a poisonous record.
func (r *Runner) refusePoison(s *slot) {
	src := r.spec.Sources[s.rec.Source]
	s.refusal.Detail = fmt.Sprintf("panic while applying the record, %d times: a bug of Freshet, see its log", r.own.poison[r.placeOf(&s.rec)])
	s.refusal.Offset = -1
	r.cur.counts.poisonous[s.rec.Source]++
	r.cur.out.bury(r.out.dlq, s, src, record.ReasonPanic)
	r.Log.Warn("dead letter", place(src, s.rec.Partition, s.rec.Offset), "reason", record.ReasonPanic, "err", s.refusal.Detail, "err_kind", "record")
}

// remember stores that a record has ended the process, with the offsets as they
// are committed. What cannot be stored is told, and the record tried again.
func (r *Runner) remember(work context.Context, err error) {
	var panicked *PanicError
	if !errors.As(err, &panicked) || !panicked.known || r.own == nil || r.own.following {
		return
	}
	if r.flight != nil && r.land() != nil || r.own == nil {
		return // what is committed is not known
	}
	own := r.own
	if own.poison == nil {
		own.poison = poison{}
	}
	if _, marked := own.poison[panicked.Place]; !marked && len(own.poison) >= maxPoison {
		r.Log.Error("too many records have ended the process: this one is not remembered, and will do so again", "place", panicked.Place)
		return
	}
	own.poison[panicked.Place]++
	r.void(work)
	if tx, ok := r.Output.(sinks.Transaction); ok {
		tx.Forget()
	}
	at := []sources.Position{{PartitionID: panicked.partition, Next: own.parts[panicked.partition].safe}}
	ctx, cancel := context.WithTimeout(work, closeBudget)
	defer cancel()
	if err := r.Consumer.Commit(ctx, at, metadata(own.safeBatch, own.owner, own.incarnation)+own.mark+r.behind.mark()+own.poison.String()); err != nil {
		r.Log.Error("that the record ended the process could not be stored", "place", panicked.Place, "err", err.Error())
		return
	}
	r.Log.Warn("the record is remembered: the second time it ends the process it goes to the dead letters", "place", panicked.Place, "times", own.poison[panicked.Place])
}
