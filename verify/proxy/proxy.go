// Package proxy stands between a process and a server and makes the network
// bad: connections that are reset or that nobody answers, bytes that go one way
// only or late, a server that is another one from now on. Before a Kafka it
// knows requests by their api key, and holds, drops or falsifies them one by one.
package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy is one listening address and the server behind it. Its methods may be
// called while connections are open, and act on them too.
type Proxy struct {
	listener net.Listener
	kafka    bool

	mu       sync.Mutex
	upstream string
	links    map[*link]bool
	state    state
	changed  chan struct{} // closed at a change of state
	rules    []*Rule
	closed   bool
	wg       sync.WaitGroup
}

// state is how the network is.
type state struct {
	refuse   bool // new connections are reset
	up, down bool // bytes of that direction are lost on their way
	delay    time.Duration
}

// link is one connection: of a client, and of ours to the server.
type link struct {
	client, server net.Conn
	mu             sync.Mutex
	asked          []asked // of Kafka, in their order
}

// Open stands before a server and passes bytes.
func Open(upstream string) (*Proxy, error) { return open(upstream, false) }

// OpenKafka stands before a Kafka of one broker and passes requests; whatever
// tells clients the broker's address tells them this one's.
func OpenKafka(upstream string) (*Proxy, error) { return open(upstream, true) }

func open(upstream string, kafka bool) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, kafka: kafka, upstream: upstream, links: map[*link]bool{}, changed: make(chan struct{})}
	p.wg.Go(p.serve)
	return p, nil
}

// Addr is where it listens, HOST:PORT.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends it and every connection.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.Heal()
	p.Release()
	p.Reset()
	p.wg.Wait()
}

// Reset resets every connection (RST).
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Repoint makes another server the one behind it; open connections are reset.
func (p *Proxy) Repoint(upstream string) {
	p.mu.Lock()
	p.upstream = upstream
	p.mu.Unlock()
	p.Reset()
}

// Refuse resets new connections, and those that are open.
func (p *Proxy) Refuse() {
	p.change(func(s *state) { s.refuse = true })
	p.Reset()
}

// Blackhole loses the bytes to the server (up), from it (down), or both;
// connections stay open. What was lost does not come when it is healed: the
// connection is reset then, as it would be by a peer that has lost its place.
func (p *Proxy) Blackhole(up, down bool) { p.change(func(s *state) { s.up, s.down = up, down }) }

// Delay makes every piece of bytes late, in both directions.
func (p *Proxy) Delay(d time.Duration) { p.change(func(s *state) { s.delay = d }) }

// Heal makes the network good again.
func (p *Proxy) Heal() {
	p.mu.Lock()
	lost := p.state.up || p.state.down
	p.mu.Unlock()
	p.change(func(s *state) { *s = state{} })
	if lost {
		p.Reset()
	}
}

func (p *Proxy) change(how func(*state)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	how(&p.state)
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) now() (state, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state, p.changed
}

func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.wg.Go(func() { p.join(client) })
		}
	}
}

// join connects a client and passes what it says and hears.
func (p *Proxy) join(client net.Conn) {
	l := &link{client: client}
	p.mu.Lock()
	refuse, upstream := p.state.refuse || p.closed, p.upstream
	p.mu.Unlock()
	var err error
	if !refuse {
		l.server, err = net.Dial("tcp", upstream)
	}
	if refuse || err != nil {
		reset(client)
		return
	}
	p.mu.Lock()
	p.links[l] = true
	p.mu.Unlock()
	var down sync.WaitGroup
	if p.kafka {
		down.Go(func() { p.answers(l); reset(l.client) })
		p.requests(l)
	} else {
		down.Go(func() { p.pass(l.client, l.server, false); reset(l.client) })
		p.pass(l.server, l.client, true)
	}
	_ = l.server.Close()
	_ = l.client.Close()
	down.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// cut resets both ends.
func (l *link) cut() {
	reset(l.client)
	reset(l.server)
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

const pieceBytes = 64 << 10

// pass copies bytes in one direction.
func (p *Proxy) pass(to io.Writer, from io.Reader, up bool) {
	buf := make([]byte, pieceBytes)
	for {
		n, err := from.Read(buf)
		if n > 0 && !p.lost(up) {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// lost delays what goes in a direction as the network is now, and reports
// whether it is lost.
func (p *Proxy) lost(up bool) bool {
	s, changed := p.now()
	if s.delay > 0 {
		timer := time.NewTimer(s.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-changed:
		}
	}
	return up && s.up || !up && s.down
}
