package redisfault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Sampler reads random rows of a namespace beside the writer, as a reader of
// features does, and holds them to what readers are promised: on one master the
// version of a row never goes back, and while there is a sign of life no row is
// missing that was there before. Where the rows carry no expiry that is the
// whole truth; give it rows whose ttl is longer than the test.
type Sampler struct {
	namespace string
	random    *rand.Rand
	done      chan struct{}
	stop      context.CancelFunc

	mu       sync.Mutex
	client   *goredis.Client
	keys     []string
	known    map[string]bool
	versions map[string]string // on this master
	result   Samples
}

// Samples are what a Sampler has seen.
type Samples struct {
	Rows     int // read while there was a sign of life
	Stale    int // looks without a sign of life: a reader trusts nothing
	Unread   int // looks that the server did not answer
	Backward int // versions that went back on one master
	Missing  int // rows that were missing although there was a sign of life
	First    string
}

// OK reports whether every promise was kept.
func (s Samples) OK() bool { return s.Backward == 0 && s.Missing == 0 }

func (s Samples) String() string {
	text := fmt.Sprintf("%d rows read, %d looks without a sign of life, %d unanswered, %d versions went back, %d rows missing under a sign of life",
		s.Rows, s.Stale, s.Unread, s.Backward, s.Missing)
	if s.First != "" {
		text += "; first: " + s.First
	}
	return text
}

// samplesAtOnce is how many rows one look reads, and keysKept how many it
// chooses from.
const (
	samplesAtOnce = 20
	keysKept      = 20_000
	lookEvery     = 5 * time.Millisecond
	scanEvery     = 200 // looks
)

// Sample begins to read the rows of a namespace from a server, until Stop.
func Sample(s *Server, namespace string, seed uint64) *Sampler {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Sampler{namespace: namespace, random: rand.New(rand.NewPCG(seed, 1)), done: make(chan struct{}), stop: cancel,
		client: s.Client, known: map[string]bool{}, versions: map[string]string{}}
	go func() {
		defer close(p.done)
		ticker := time.NewTicker(lookEvery)
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			p.look(ctx, n%scanEvery == 0)
		}
	}()
	return p
}

// Master says that another server, or the same one with other content, is the
// master from now on: what was seen before binds it no more, except that a row
// that was there may not be missing under a sign of life.
func (p *Sampler) Master(s *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client, p.versions = s.Client, map[string]string{}
}

// Stop ends the reading and says what was seen.
func (p *Sampler) Stop() Samples {
	p.stop()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.result
}

// look reads the sign of life and some rows in one transaction.
func (p *Sampler) look(ctx context.Context, scan bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if scan {
		p.scan(limited)
	}
	if len(p.keys) == 0 {
		return
	}
	keys := make([]string, 0, samplesAtOnce)
	for range samplesAtOnce {
		keys = append(keys, p.keys[p.random.IntN(len(p.keys))])
	}
	pipe := p.client.TxPipeline()
	alive := pipe.Exists(limited, "freshet:"+p.namespace+":alive")
	rows := make([]*goredis.StringCmd, len(keys))
	for i, key := range keys {
		rows[i] = pipe.HGet(limited, key, "_v")
	}
	if _, err := pipe.Exec(limited); err != nil && !errors.Is(err, goredis.Nil) {
		if ctx.Err() == nil {
			p.result.Unread++
		}
		return
	}
	trusted := alive.Val() == 1
	if !trusted {
		p.result.Stale++
	}
	for i, key := range keys {
		p.judge(key, rows[i].Val(), trusted)
	}
}

func (p *Sampler) judge(key, version string, trusted bool) {
	if trusted {
		p.result.Rows++
	}
	before := p.versions[key]
	switch {
	case version == "" && trusted:
		p.result.Missing++
		p.tell("%s is not there", key)
	case version == "":
		delete(p.versions, key)
	case strings.Compare(version, before) < 0:
		p.result.Backward++
		p.tell("%s went from version %s to %s", key, before, version)
	}
	if version != "" {
		p.versions[key] = version
	}
}

func (p *Sampler) tell(format string, args ...any) {
	if p.result.First == "" {
		p.result.First = fmt.Sprintf(format, args...)
	}
}

// scan learns of more rows.
func (p *Sampler) scan(ctx context.Context) {
	if len(p.keys) >= keysKept {
		return
	}
	it := p.client.Scan(ctx, 0, "freshet:"+p.namespace+":{*", 5000).Iterator()
	for it.Next(ctx) && len(p.keys) < keysKept {
		if !p.known[it.Val()] {
			p.known[it.Val()] = true
			p.keys = append(p.keys, it.Val())
		}
	}
}
