package main

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet-dev/freshet/verify/proxy"
	"github.com/freshet-dev/freshet/verify/redisfault"
)

// Sizes of the stores that are wiped, in rows.
const (
	shortRows = 200_000
	longRows  = 1_000_000
	// judgedAtOnce is how many inputs are compared together while a store fills:
	// each takes some 15 KB of memory until then.
	judgedAtOnce = 50_000
)

// onStore makes a history whose instance reaches its store by a proxy, and runs
// it until it is quiet.
func (t *trials) onStore(of shape, do func(*history, *proxy.Proxy, *instance) error) error {
	return t.onHistory("kafka", of, func(h *history) error {
		wire, err := proxy.Open(h.store.Addr)
		if err != nil {
			return err
		}
		defer wire.Close()
		h.storeAt = wire.Addr()
		p, err := h.run(t.ctx, "one", "", "FRESHET_ONLINE_STORE_WAIT=500ms")
		if err != nil {
			return err
		}
		defer p.kill()
		if err := h.settle(t, 60*time.Second, p); err != nil {
			return err
		}
		defer t.watch(h)()
		if err := do(h, wire, p); err != nil {
			return err
		}
		t.count(h, 0)
		return nil
	})
}

// wipes kills a store of many rows, starts it empty, and waits until it is
// whole again.
func wipes(t *trials) error {
	want, rowsEvery := int64(shortRows), 1
	if t.long {
		want, rowsEvery = longRows, 10 // the ten wipes compare each row once
	}
	keys := int(want / 2)
	return t.onStore(shape{seed: t.seed, cards: keys, users: keys, rate: float64(want) / 5000, every: 50, rowsEvery: rowsEvery}, func(h *history, _ *proxy.Proxy, p *instance) error {
		for rows := int64(0); rows < want; {
			if err := h.produce(t.ctx, 10_000); err != nil {
				return err
			}
			settle := h.settled
			if h.produced%judgedAtOnce < 10_000 { // what came since is all in memory then
				settle = func(_ context.Context, limit time.Duration, alive ...*instance) error {
					return h.quiesce(t, limit, alive...)
				}
			}
			err := settle(t.ctx, 3*time.Minute, p)
			if err != nil {
				return err
			}
			if rows, err = h.store.Client.DBSize(t.ctx).Result(); err != nil {
				return err
			}
		}
		rows, _ := h.store.Client.DBSize(t.ctx).Result()
		t.say("%d rows before the first wipe, of %d inputs", rows, h.produced)
		for range t.n {
			if err := t.loseRows(h, p, func() error { return h.store.Wipe(t.ctx) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// loseRows breaks the store under load, waits until its loss is found and
// mended, and judges.
func (t *trials) loseRows(h *history, p *instance, breaks func() error) error {
	stop := h.feed(t.ctx, 200)
	defer func() { _ = stop() }()
	losses, began := p.metric(t.ctx, "freshet_online_losses_total"), time.Now()
	if err := breaks(); err != nil {
		return err
	}
	if err := until(t.ctx, time.Minute, "the loss is counted", func() (bool, error) {
		return p.metric(t.ctx, "freshet_online_losses_total") > losses, nil
	}, p.process); err != nil {
		return err
	}
	found := time.Since(began)
	// A reader can trust the new master only since now: a sign of life that was
	// copied there before the failover lasts until it is found, or ends by itself.
	h.sampler.Master(h.store)
	if err := until(t.ctx, 5*time.Minute, "the store is whole", func() (bool, error) {
		return redisfault.Whole(t.ctx, h.store.Client, h.namespace), nil
	}, p.process); err != nil {
		return err
	}
	whole := time.Since(began)
	if err := stop(); err != nil {
		return err
	}
	t.counts["slowest_found_ms"] = max(t.counts["slowest_found_ms"], found.Milliseconds())
	t.counts["slowest_whole_ms"] = max(t.counts["slowest_whole_ms"], whole.Milliseconds())
	t.done++
	rows, _ := h.store.Client.DBSize(t.ctx).Result()
	t.say("%d rows after it, found after %v, whole after %v", rows, found, whole)
	return h.quiesce(t, 2*time.Minute, p)
}

// failovers promote a replica while its master still takes rows, and make it
// the master: what the old one took since is lost.
func failovers(t *trials) error {
	return t.onStore(shape{seed: t.seed, cards: 10_000, users: 8000, rate: 20}, func(h *history, wire *proxy.Proxy, p *instance) error {
		if err := h.produce(t.ctx, 8000); err != nil {
			return err
		}
		if err := h.settled(t.ctx, time.Minute, p); err != nil {
			return err
		}
		var opened []*redisfault.Server
		defer func() {
			for _, s := range opened {
				s.Close()
			}
		}()
		for range t.n {
			replica, err := redisfault.Start(t.ctx, "--maxmemory-policy", "noeviction")
			if err != nil {
				return err
			}
			opened = append(opened, replica)
			if err := t.loseRows(h, p, func() error { return t.failOver(h, wire, p, replica) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// leastLost is how many acknowledged rows a failover loses at least.
const leastLost = 1000

func (t *trials) failOver(h *history, wire *proxy.Proxy, p *instance, replica *redisfault.Server) error {
	if err := replica.Follow(t.ctx, h.store); err != nil {
		return err
	}
	if err := replica.Promote(t.ctx); err != nil {
		return err
	}
	accepted := p.metric(t.ctx, "freshet_online_rows_total")
	var more float64
	if err := until(t.ctx, time.Minute, "the old master takes rows that will be lost", func() (bool, error) {
		more = p.metric(t.ctx, "freshet_online_rows_total") - accepted
		return more >= leastLost, nil
	}, p.process); err != nil {
		return err
	}
	t.counts["rows_lost"] += int64(more)
	old := h.store
	h.store = replica
	wire.Repoint(replica.Addr)
	old.Kill()
	return nil
}

// outages take the store away, in every way in which one can be away.
func outages(t *trials) error {
	return t.onStore(shape{seed: t.seed, cards: 2000, users: 1500, rate: 20}, func(h *history, wire *proxy.Proxy, p *instance) error {
		for k := range t.n {
			stop := h.feed(t.ctx, 200)
			what, err := t.outage(h, wire, k)
			if err == nil {
				err = stop()
			} else {
				_ = stop()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			t.done++
			if err := h.quiesce(t, 90*time.Second, p); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
		return nil
	})
}

// outage is one of them.
func (t *trials) outage(h *history, wire *proxy.Proxy, k int) (string, error) {
	length := 500*time.Millisecond + time.Duration(t.rng.IntN(2500))*time.Millisecond
	ways := []struct {
		name        string
		begin, heal func() error
	}{
		{"refused", func() error { wire.Refuse(); return nil }, func() error { wire.Heal(); return nil }},
		{"nothing gets there", func() error { wire.Blackhole(true, false); return nil }, func() error { wire.Heal(); return nil }},
		{"no answer comes", func() error { wire.Blackhole(false, true); return nil }, func() error { wire.Heal(); return nil }},
		{"slow", func() error { wire.Delay(30 * time.Millisecond); return nil }, func() error { wire.Heal(); return nil }},
		{"frozen", h.store.Freeze, h.store.Thaw},
		{"full", func() error { return h.store.Set(t.ctx, "maxmemory", "1mb") }, func() error { return h.store.Set(t.ctx, "maxmemory", "0") }},
		{"reset", func() error { wire.Reset(); return nil }, func() error { wire.Reset(); return nil }},
	}
	way := ways[k%len(ways)]
	if err := way.begin(); err != nil {
		return way.name, err
	}
	pause(t.ctx, length)
	return way.name, way.heal()
}
