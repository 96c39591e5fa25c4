package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// sampler reads rows while faults are on, and never sees the version of one go
// back.
type sampler struct {
	mu     sync.Mutex
	seen   map[string]string
	back   []string
	reads  int64
	cancel context.CancelFunc
	done   chan struct{}
}

const (
	sampled     = 2000 // rows that are remembered
	sampleEvery = 10 * time.Millisecond
	sampleSize  = 50
)

// sample begins to watch a store.
func sample(ctx context.Context, r *store) *sampler {
	ctx, cancel := context.WithCancel(ctx)
	s := &sampler{seen: map[string]string{}, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for pause(ctx, sampleEvery) {
			s.look(ctx, r)
		}
	}()
	return s
}

// look reads some rows that were seen and, while there are few, a new one.
func (s *sampler) look(ctx context.Context, r *store) {
	pipe := r.client.Pipeline()
	var keys []string
	s.mu.Lock()
	for key := range s.seen { // in no order, which is what a sample wants
		if keys = append(keys, key); len(keys) == sampleSize {
			break
		}
	}
	few := len(s.seen) < sampled
	s.mu.Unlock()
	if few {
		if key, err := r.client.RandomKey(ctx).Result(); err == nil {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		pipe.HGet(ctx, key, "_v")
	}
	replies, _ := pipe.Exec(ctx) // a key that is no row has an error of its own
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, reply := range replies {
		got, ok := reply.(interface{ Result() (string, error) })
		if !ok {
			continue
		}
		version, err := got.Result()
		if err != nil {
			continue
		}
		s.reads++
		if known := s.seen[keys[i]]; version < known {
			s.back = append(s.back, fmt.Sprintf("%s went from %s back to %s", keys[i], known, version))
		}
		s.seen[keys[i]] = version
	}
}

// forget begins anew: the store is another one now.
func (s *sampler) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = map[string]string{}
}

// end stops the watch and tells the row what it saw.
func (s *sampler) end(t *trials) {
	s.cancel()
	<-s.done
	t.counts["sampled_reads"] += s.reads
	for _, text := range s.back {
		t.fail("a version went back: %s", text)
	}
}
