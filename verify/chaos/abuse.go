package main

import (
	"bytes"
	"time"
)

// abuse feeds times that make no sense: from the future, from the past, out of
// any range, no times at all. No on-time event may suffer from them.
func abuse(t *trials) error {
	return t.onHistory("kfake", shape{seed: t.seed, cards: 3000, users: 2000, rate: 30, every: 4}, func(h *history) error {
		h.twist = func(value []byte) []byte {
			if t.rng.IntN(100) != 0 {
				return value
			}
			t.counts["times_twisted"]++
			return twisted(value, absurd(t.rng.IntN(absurdTimes)))
		}
		p, err := h.run(t.ctx, "one", "")
		if err != nil {
			return err
		}
		defer func() { p.kill() }()
		for t.done < t.n {
			n := min(5000, t.n-t.done)
			if err := h.produce(t.ctx, n); err != nil {
				return err
			}
			if err := h.quiesce(t, 2*time.Minute, p); err != nil {
				return err
			}
			t.done += n
		}
		t.count(h, 0)
		return nil
	})
}

const absurdTimes = 12

// absurd is a time as JSON.
func absurd(k int) string {
	now := time.Now().UTC()
	const layout = `"2006-01-02T15:04:05.000Z"`
	switch k {
	case 0:
		return now.Add(11 * time.Minute).Format(layout)
	case 1:
		return now.Add(time.Hour).Format(layout)
	case 2:
		return now.AddDate(0, 0, 1).Format(layout)
	case 3:
		return `"9999-12-31T23:59:59.999Z"`
	case 4:
		return `"1970-01-01T00:00:00.000Z"`
	case 5:
		return `"2100-01-01T00:00:00.000Z"`
	case 6:
		return "9223372036854775807"
	case 7:
		return "-1"
	case 8:
		return "1e400"
	case 9:
		return "null"
	case 10:
		return `""`
	}
	return now.Add(-30 * time.Hour).Format(layout)
}

// twisted is a record with another event time.
func twisted(value []byte, at string) []byte {
	const name = `"event_time":`
	i := bytes.Index(value, []byte(name))
	if i < 0 {
		return value
	}
	i += len(name)
	end := bytes.IndexAny(value[i:], ",}")
	if end < 0 {
		return value
	}
	return append(append(append([]byte(nil), value[:i]...), at...), value[i+end:]...)
}
