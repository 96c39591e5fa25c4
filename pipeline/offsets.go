package pipeline

import (
	"context"
	"fmt"

	"github.com/freshet-dev/freshet/pipeline/checkpoint"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources"
)

// behindOutput is the way out where it is not known how far outputs have come.
const behindOutput = "set it to behind the last record of the partition that has one (kafka-consumer-groups --reset-offsets --to-offset; " +
	"provenance.place in %s says which that is) and run with --accept-gap"

// unset looks, where no checkpoint says how far the run had come, whether someone
// has set or deleted offsets of some of its partitions. A run commits all of them
// at first, so one that lacks its words was touched, unless the topic has grown by
// it. (Where all lack them this is a first run for all it knows.)
func (r *Runner) unset(own *ownership, assigned []sources.Assigned) error {
	if own.replaying || r.Checkpoints.AcceptGap {
		return nil
	}
	if err := r.remade(own, assigned); err != nil {
		return err
	}
	last := map[int]int32{} // by source: of its partitions that a run has committed
	for _, a := range assigned {
		if a.Committed >= 0 && Committed(a.Metadata) {
			last[a.Source] = max(last[a.Source], a.Partition)
		}
	}
	for _, a := range assigned {
		src := r.spec.Sources[a.Source]
		end, of := last[a.Source]
		what := ""
		switch {
		case a.Committed >= 0 && !Committed(a.Metadata) && len(last) > 0:
			what = fmt.Sprintf("someone has set the offset of group %s to %d", r.Group, a.Committed)
		case a.Committed < 0 && of && a.Partition < end:
			what = fmt.Sprintf("someone has deleted the offset of group %s", r.Group)
		default:
			continue
		}
		return fmt.Errorf("topic %s, partition %d: %s, and no checkpoint says how far the run had come: records would have no output, or a second one; "+
			behindOutput+", which takes offsets as they are", src.Topic, a.Partition, what, src.Output.Topic)
	}
	return nil
}

// repeats looks whether offsets were set back behind a checkpoint that is not the
// last that was done: what was committed behind it would be emitted again. The
// words at offsets that nobody has touched tell that, and the online store. Where
// there are neither it is not guessed.
func (r *Runner) repeats(work context.Context, m *checkpoint.Manifest, own *ownership) error {
	if own.following || r.Checkpoints.AcceptGap {
		return nil
	}
	for _, id := range own.ids {
		src, p := r.spec.Sources[id.Source], own.parts[id]
		was := partitionOf(m, src.Name, id.Partition)
		if was == nil || p.committed >= was.End {
			continue
		}
		newest, err := r.newestBatch(work, own)
		if err != nil {
			return fmt.Errorf("offsets of group %s were set back, and only the online store can tell what was emitted since the checkpoint: %w", r.Group, err)
		}
		since := fmt.Sprintf("batch %d was begun since: records behind it would have a second output", newest)
		switch {
		case newest == 0:
			since = "nothing tells what was emitted since (no offset is as a run left it, and there is no online store, or an empty one): " +
				"records behind it may have a second output"
		case newest <= m.Batch:
			return nil
		}
		return fmt.Errorf("topic %s, partition %d: someone has set the offset of group %s back to %d, the state ends at %d with batch %d, and %s; "+
			behindOutput+"; --accept-gap alone emits again what follows the state (nothing, where the last run was drained)",
			src.Topic, id.Partition, r.Group, p.committed, was.End, m.Batch, since, src.Output.Topic)
	}
	return nil
}

// newestBatch is the last one that anything tells of.
func (r *Runner) newestBatch(work context.Context, own *ownership) (uint64, error) {
	witness, ok := r.Store.(sinks.Witness)
	if !ok {
		return own.batch, nil
	}
	limited, cancel := context.WithTimeout(work, r.Limits.StoreWait)
	defer cancel()
	var batch uint64
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = r.retry(limited, onlineStore, "read the online store", func(ctx context.Context) (err error) {
			batch, err = witness.NewestBatch(ctx)
			return err
		})
	}()
	r.await(done)
	return max(batch, own.batch), err
}
