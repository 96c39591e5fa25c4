package main

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/freshet-dev/freshet/features"
	"github.com/freshet-dev/freshet/pipeline"
	"github.com/freshet-dev/freshet/pipeline/checkpoint"
)

// benchCheckpoint measures a checkpoint on disk: how long the loop is held up by
// a group, how long the writer takes, and how long a start takes until it has
// the state, beside a read of the same files with their checksums.
// FRESHET_BENCH_KEYS sets the number of keys.
func benchCheckpoint() error {
	keys, err := benchKeys()
	if err != nil {
		return err
	}
	const events = 4
	fmt.Printf("\n%d keys of %d events, the velocity view of examples/payments. CPU time of one core per key, and the clock's time of all.\n\n", keys, events)
	fmt.Println("| sealed | bytes | encode, ns | all | longest group | write and sync, ns | all | manifest, verify | all | load, ns | all | read and sum, ns | all |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, secret := range []string{"", "the secret of this bench"} {
		if err := checkpointRow(keys, events, secret); err != nil {
			return err
		}
	}
	return nil
}

// checkpointRow is one line of the table.
func checkpointRow(keys, events int, secret string) error {
	m, err := newMemory(memorySpec)
	if err != nil {
		return err
	}
	for range events {
		m.round(keys)
	}
	path, err := os.MkdirTemp("", "freshet-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(path) }()
	dir, err := checkpoint.OpenDir(path)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	key, err := checkpoint.KeyFrom([]byte(secret))
	if err != nil {
		return err
	}
	store := checkpoint.New(dir, checkpoint.LeastKeep, key)
	spans, manifest, err := writeCheckpoint(m, store)
	if err != nil {
		return err
	}
	m.engine = nil
	runtime.GC()
	floor := clock()
	for _, f := range manifest.Files() {
		b, err := os.ReadFile(filepath.Join(path, f.Name))
		if err != nil {
			return err
		}
		crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	}
	floor.stop()
	runtime.GC()
	load := clock()
	if _, err := pipeline.LoadCheckpoint(store, manifest, m.plan.Spec(), features.NewEngine(m.plan, features.Options{})); err != nil {
		return err
	}
	load.stop()
	sealed := "no"
	if secret != "" {
		sealed = "yes"
	}
	fmt.Printf("| %s | %d | %s | %s | %s | %s | %s | %s |\n", sealed, manifest.Bytes(), spans.encode.per(keys), spans.longest.Round(10*time.Microsecond),
		spans.write.per(keys), spans.finish.per(keys), load.per(keys), floor.per(keys))
	return nil
}

// written is what the parts of a checkpoint took.
type written struct {
	encode, write, finish *span
	longest               time.Duration
}

// writeCheckpoint writes all of an engine: first all groups are encoded, then
// all are written, so that each is measured alone.
func writeCheckpoint(m *memory, store *checkpoint.Store) (w written, manifest *checkpoint.Manifest, err error) {
	c, err := store.Begin(checkpoint.Head{Namespace: "memory", Group: "bench"})
	if err != nil {
		return w, nil, err
	}
	var groups [features.NumGroups][]byte
	admission := m.engine.BeginSnapshot()
	w.encode = clock()
	for g := range groups {
		at := time.Now()
		groups[g] = m.engine.AppendGroup(nil, g)
		w.longest = max(w.longest, time.Since(at))
	}
	w.encode.stop()
	w.write = clock()
	err = c.PutAdmission(admission)
	for g := 0; g < len(groups) && err == nil; g++ {
		err = c.PutGroup(g, groups[g])
	}
	if err == nil {
		err = c.PutVerdicts(m.engine.EndSnapshot(nil))
	}
	w.write.stop()
	manifest = &checkpoint.Manifest{Layout: features.SnapshotFormat, Cuts: make([][][]int64, checkpoint.Groups)}
	for _, id := range m.plan.LogIDs() {
		manifest.Logs = append(manifest.Logs, checkpoint.Log{Source: id.Source, Entity: id.Entity, Hash: id.Hash})
	}
	w.finish = clock()
	if err == nil {
		err = c.Finish(manifest)
	}
	w.finish.stop()
	return w, manifest, err
}
