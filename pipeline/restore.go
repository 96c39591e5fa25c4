package pipeline

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/pipeline/checkpoint"
	"github.com/freshet-dev/freshet/sources"
)

// anew is the way out of every refusal to go on from a checkpoint.
const anew = "or give an empty state_dir (and an empty checkpoint.copy, where there is one): the state is then rebuilt from what the log still has, " +
	"and windows that reach behind that are WARMING"

// restore gives an ownership the state that it begins with, and its partitions
// the places where that ends: those of the newest checkpoint that is whole. A
// damaged one is passed over, with an alarm; one that does not fit what is
// read ends the run: its error says what is missing and what to do. Without
// any, the state is empty, and read from the log's beginning.
func (r *Runner) restore(work context.Context, own *ownership, assigned []sources.Assigned) error {
	r.engine = r.newEngine(r.Seed)
	store := r.Checkpoints.Store
	if store == nil {
		return nil
	}
	names, err := store.Manifests()
	if err != nil {
		return err
	}
	fetched, err := r.fetch(work, names, own, assigned)
	if err != nil {
		return err
	}
	if done, err := r.goOnFromNewest(work, append(fetched, names...), own, assigned); done || err != nil {
		return err
	}
	if len(names) > 0 && len(fetched) == 0 { // what is damaged here may be whole there
		if fetched, err = r.fetch(work, nil, own, assigned); err != nil {
			return err
		}
		if done, err := r.goOnFromNewest(work, fetched, own, assigned); done || err != nil {
			return err
		}
	}
	r.metrics.saves.loaded.Set(0)
	if len(names)+len(fetched) > 0 {
		r.Log.Error("no checkpoint is whole: the state is rebuilt from the log's beginning", "component", "checkpoints", "err_kind", "checkpoint")
	} else {
		r.Log.Info("no checkpoint yet: the state is rebuilt from the log's beginning", "component", "checkpoints")
	}
	return nil
}

// goOnFromNewest goes on from the first of some checkpoints that is whole. It
// reports false where none is.
func (r *Runner) goOnFromNewest(work context.Context, names []string, own *ownership, assigned []sources.Assigned) (done bool, err error) {
	for _, name := range names {
		began := time.Now()
		m, err := r.Checkpoints.Store.Manifest(name)
		if err == nil {
			if err = r.fits(m, own, assigned); err == nil {
				err = r.repeats(work, m, own)
			}
			if err != nil {
				return false, fmt.Errorf("checkpoint %s: %w", name, err)
			}
			var l *loaded
			if l, err = r.load(m); err == nil {
				r.goOnFrom(m, l, own, assigned)
				r.Log.Info("the state is that of a checkpoint", "component", "checkpoints", "cycle", m.Cycle, "batch", m.Batch,
					"bytes", m.Bytes(), "written", time.UnixMilli(m.Written).UTC(), "took", time.Since(began).String(), "records_to_replay", own.total)
				return true, nil
			}
		}
		if stops(err) {
			return false, err
		}
		r.metrics.saves.failures.WithLabelValues("read").Inc()
		r.Log.Error("a checkpoint is passed over, the one before is taken", "component", "checkpoints", "manifest", name, "err", err.Error(), "err_kind", "checkpoint")
	}
	return false, nil
}

// expect tells the engine which partitions have records that it may not have been
// given yet.
func (r *Runner) expect(assigned []sources.Assigned) {
	for _, a := range assigned {
		if a.End > a.Start {
			r.engine.Expect(a.Source, a.Partition)
		}
	}
}

// fetchWait bounds the look for a newer copy where there is a checkpoint here that
// does as well: what is far away must not hold up a start.
const fetchWait = 10 * time.Second

// fetch gets the newest copy where it is newer than what is here, newest first:
// another machine has gone on since. It names what it got. A checkpoint of the
// last two intervals is new enough, and its owner need not wait for an answer.
func (r *Runner) fetch(work context.Context, here []string, own *ownership, assigned []sources.Assigned) ([]string, error) {
	c := &r.Checkpoints
	if c.Copies == nil {
		return nil, nil
	}
	than := ""
	if len(here) > 0 {
		than = here[0]
		if m, err := c.Store.Manifest(than); err == nil && r.Clock().Sub(time.UnixMilli(m.Written)) < 2*c.Interval {
			return nil, nil
		}
		var cancel context.CancelFunc
		work, cancel = context.WithTimeout(work, fetchWait)
		defer cancel()
	}
	var err, refused error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = c.Copies.Fetch(work, c.Store, than, func(m *checkpoint.Manifest) error {
			refused = r.fits(m, own, assigned)
			return refused
		})
	}()
	r.await(done)
	switch {
	case err == nil:
	case refused != nil || stops(err): // whose are they? Ours would go there as well
		return nil, fmt.Errorf("the newest of the copies of checkpoints: %w", err)
	case len(here) == 0:
		r.metrics.saves.failures.WithLabelValues("fetch").Inc()
		return nil, fmt.Errorf("fetch a checkpoint, since none here is whole: %w: make the copies readable, or take checkpoint.copy out, %s", err, anew)
	default:
		r.metrics.saves.failures.WithLabelValues("fetch").Inc()
		r.Log.Error("the copies of checkpoints are not looked at, the folder's own are taken: they may be older, and the replay longer",
			"component", "checkpoints", "err", err.Error(), "err_kind", "checkpoint")
		return nil, nil
	}
	names, err := c.Store.Manifests()
	return checkpoint.Newer(names, than), err
}

// stops reports whether an error of a checkpoint is no damage: another
// checkpoint would not help, or only by chance.
func stops(err error) bool {
	var format *checkpoint.UnknownFormat
	return errors.As(err, &format) || errors.Is(err, checkpoint.ErrOtherKey) || errors.Is(err, errOtherLayout)
}

// errOtherLayout is that the engine of another build has written the state.
var errOtherLayout = errors.New("another build has written it: run that build, " + anew)

// fits looks whether a checkpoint is one of what is read.
func (r *Runner) fits(m *checkpoint.Manifest, own *ownership, assigned []sources.Assigned) error {
	switch {
	case m.Namespace != r.spec.Namespace:
		return fmt.Errorf("it is of namespace %s, this run is of %s: give each its own state_dir and checkpoint.copy", m.Namespace, r.spec.Namespace)
	case m.Group != r.Group:
		return fmt.Errorf("it is of consumer group %s, this run is of %s: go on as that group, %s", m.Group, r.Group, anew)
	case m.Cluster != own.cluster:
		return fmt.Errorf("it is of Kafka cluster %q, this run reads from %q, where the same offsets are other records: correct kafka.brokers, %s", m.Cluster, own.cluster, anew)
	case m.Layout != features.SnapshotFormat:
		return fmt.Errorf("its state has layout %d, this build reads %d: %w", m.Layout, features.SnapshotFormat, errOtherLayout)
	}
	for _, src := range r.spec.Sources {
		was := sourceOf(m, src.Name)
		if was == nil {
			continue // new in the spec: read from its beginning
		}
		if was.TopicID != own.topics[src.Index] {
			return fmt.Errorf("topic %s of source %s is another one than it was (id %s, now %s): it was made anew, and its offsets mean other records; "+
				"use a new group and %s", src.Topic, src.Name, was.TopicID, own.topics[src.Index], anew[len("or give "):])
		}
		n := own.partitionsOf(src.Index)
		if n < len(was.Partitions) || n > len(was.Partitions) && !r.Checkpoints.AcceptGap {
			return fmt.Errorf("topic %s has %d partitions, and had %d: keys may have moved, and what the new ones brought before is unknown; "+
				"to read the new ones from their beginning and go on run once with --accept-gap, %s", src.Topic, n, len(was.Partitions), anew)
		}
	}
	for _, a := range assigned {
		if err := r.reaches(m, own, a); err != nil {
			return err
		}
	}
	return nil
}

// reaches looks whether the log of a partition still has what the checkpoint
// lacks, and whether the committed offset is one of ours.
func (r *Runner) reaches(m *checkpoint.Manifest, own *ownership, a sources.Assigned) error {
	src := r.spec.Sources[a.Source]
	was := partitionOf(m, src.Name, a.Partition)
	if was == nil {
		return nil
	}
	where := fmt.Sprintf("topic %s, partition %d", src.Topic, a.Partition)
	if was.Begin < a.Start && !r.Checkpoints.AcceptGap {
		return fmt.Errorf("%s: it ends at offset %d, and the log begins at %d: the %d records between were removed, and the state lacks them; "+
			"to go on without them run with --accept-gap (values that need them are INCOMPLETE), %s", where, was.Begin, a.Start, a.Start-was.Begin, anew)
	}
	_, _, _, ours := parseMetadata(a.Metadata)
	if a.Committed > was.End && !ours && !own.following && !r.Checkpoints.AcceptGap {
		return fmt.Errorf("%s: someone has set the offset of group %s to %d, and the state ends at %d: the %d records between would never have an output; "+
			"set the offset back to %d (kafka-consumer-groups --reset-offsets --to-offset %d), or run with --accept-gap to go on without their outputs",
			where, r.Group, a.Committed, was.End, a.Committed-was.End, was.End, was.End)
	}
	return nil
}

// loaded is an engine with the state of a checkpoint.
type loaded struct {
	engine  *features.Engine
	restore *features.Restore
	seed    [16]byte // of the engine
}

// load reads all files of a checkpoint into a new engine: read and checked side
// by side, put in one after the other. The engine hashes as the one did that wrote
// them.
func (r *Runner) load(m *checkpoint.Manifest) (l *loaded, err error) {
	seed := r.Seed
	if b, _ := hex.DecodeString(m.Seed); len(b) == len(seed) {
		seed = [16]byte(b)
	}
	e, ok := r.newEngine(seed).(*features.Engine)
	if !ok {
		return nil, errors.New("this engine keeps no state")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l = &loaded{engine: e, seed: seed}
		l.restore, err = LoadCheckpoint(r.Checkpoints.Store, m, r.spec, e)
	}()
	r.await(done)
	return l, err
}

// LoadCheckpoint puts a checkpoint into an engine that has seen nothing, made
// with the checkpoint's seed for the spec. Files are read and checked side by
// side, and put in one after the other. After an error the engine is of no use.
func LoadCheckpoint(store *checkpoint.Store, m *checkpoint.Manifest, s *spec.Spec, e *features.Engine) (*features.Restore, error) {
	var logs []features.LogID
	for _, l := range m.Logs {
		logs = append(logs, features.LogID{Source: l.Source, Entity: l.Entity, Hash: l.Hash})
	}
	restore := features.NewRestore(e, logs)
	type checked struct {
		group int
		data  *features.Group
	}
	workers := runtime.GOMAXPROCS(0)
	ready := make(chan checked, workers)
	var reading errgroup.Group
	reading.SetLimit(workers)
	failed := make(chan error, 1)
	go func() {
		for g, f := range m.Groups {
			reading.Go(func() error {
				b, err := store.Load(m, f)
				if err != nil {
					return err
				}
				data, err := restore.Check(g, b)
				if err == nil {
					ready <- checked{g, data}
				}
				return err
			})
		}
		failed <- reading.Wait()
		close(ready)
	}()
	for c := range ready {
		restore.Attach(c.data, cutsOf(m, s, func(s, p int) int64 { return m.Cuts[c.group][s][p] }))
	}
	if err := <-failed; err != nil {
		return nil, err
	}
	admission, err := store.Open(m, m.Admission)
	if err != nil {
		return nil, err
	}
	defer func() { _ = admission.Close() }() // it is only read
	verdicts, err := store.Load(m, m.Verdicts)
	if err != nil {
		return nil, err
	}
	begin := cutsOf(m, s, func(s, p int) int64 { return m.Sources[s].Partitions[p].Begin })
	end := cutsOf(m, s, func(s, p int) int64 { return m.Sources[s].Partitions[p].End })
	return restore, restore.Admission(admission, verdicts, begin, end)
}

// cutsOf gives positions of a manifest by the sources of the spec, which may
// stand in another order there.
func cutsOf(m *checkpoint.Manifest, s *spec.Spec, at func(source, partition int) int64) features.Cuts {
	cuts := make(features.Cuts, len(s.Sources))
	for i := range m.Sources {
		if src, ok := s.Source(m.Sources[i].Name); ok {
			for p := range m.Sources[i].Partitions {
				cuts[src.Index] = append(cuts[src.Index], at(i, p))
			}
		}
	}
	return cuts
}

// goOnFrom makes a checkpoint the state of an ownership.
func (r *Runner) goOnFrom(m *checkpoint.Manifest, l *loaded, own *ownership, assigned []sources.Assigned) {
	r.engine, r.Seed = l.engine, l.seed
	own.replaying = true
	skipped, whole := int64(0), len(l.restore.Rebuilt()) == 0
	for _, a := range assigned {
		src := r.spec.Sources[a.Source]
		was, p := partitionOf(m, src.Name, a.Partition), own.parts[a.PartitionID]
		if was == nil {
			whole = false
			continue
		}
		p.until = was.End
		if was.Begin < a.Start {
			p.hole = r.Clock().UnixMilli()
			r.Log.Warn("a gap is accepted: values that need the records that are gone are INCOMPLETE",
				"component", "checkpoints", place(src, a.Partition, was.Begin), "log_begins", a.Start, "records", a.Start-was.Begin)
		}
		if was.End > p.committed { // set back by someone, or by the time that the standby's look at them took
			if !own.following {
				skipped += was.End - p.committed
				r.Log.Warn("the committed offset is behind the checkpoint: it was set back; what the checkpoint has was emitted and is not emitted again",
					"component", "checkpoints", place(src, a.Partition, a.Committed), "checkpoint", was.End)
			}
			p.committed, p.safe = was.End, max(p.safe, was.End)
		}
		if !l.restore.FromStart(a.Source) {
			p.start = max(was.Begin, a.Start)
			p.next, p.at = p.start, was.At
		}
		whole = whole && p.hole == 0 && p.next == p.committed
	}
	own.batch = max(own.batch, m.Batch)
	own.safeBatch = own.batch
	if whole { // another would be the same
		r.saving.last = own.batch
	}
	own.total = 0
	for _, p := range own.parts {
		own.total += max(0, p.committed-p.next)
	}
	r.metrics.saves.skipped.Set(float64(skipped))
	r.metrics.saves.loaded.Set(float64(m.Cycle))
	for _, log := range l.restore.Rebuilt() {
		r.Log.Info("a view's state is not in the checkpoint: it is read from the log's beginning", "component", "checkpoints", "source", log.Source, "entity", log.Entity)
	}
}

// replayed ends the first half of a replay, up to the newest cut of the
// checkpoint: the engine then knows all that it must compare records with. It
// reports whether it has just ended.
func (r *Runner) replayed() bool {
	own := r.own
	if !own.replaying || own.missing(r.Consumer.Lag()) > 0 {
		return false
	}
	own.replaying, own.ripens = false, true
	if e, ok := r.engine.(*features.Engine); ok {
		e.EndReplay()
	}
	return true
}

// identify takes over what a checkpoint is bound to.
func (o *ownership) identify(assigned []sources.Assigned, numSources int) {
	o.topics = make([]string, numSources)
	for _, a := range assigned {
		o.cluster, o.topics[a.Source] = a.Cluster, a.TopicID
	}
}

func (o *ownership) partitionsOf(source int) (n int) {
	for _, id := range o.ids {
		if id.Source == source {
			n++
		}
	}
	return n
}

// bound is where the rebuild of a partition ends for now.
func (o *ownership) bound(p *partition) int64 {
	if o.replaying {
		return min(p.committed, p.until)
	}
	return p.committed
}

func sourceOf(m *checkpoint.Manifest, name string) *checkpoint.Source {
	if i := slices.IndexFunc(m.Sources, func(s checkpoint.Source) bool { return s.Name == name }); i >= 0 {
		return &m.Sources[i]
	}
	return nil
}

func partitionOf(m *checkpoint.Manifest, source string, partition int32) *checkpoint.Partition {
	if s := sourceOf(m, source); s != nil && int(partition) < len(s.Partitions) {
		return &s.Partitions[partition]
	}
	return nil
}

// Copies is a place beside the folder.
type Copies interface {
	// Fetch puts the newest copy that is whole into a store, where it is newer than
	// the manifest of that name ("": whatever it is). One that does not fit is an
	// error, no copy at all is none.
	Fetch(ctx context.Context, s *checkpoint.Store, than string, fits func(*checkpoint.Manifest) error) error
	// Copy copies a checkpoint, the manifest last.
	Copy(context.Context, *checkpoint.Store, *checkpoint.Manifest) error
}
