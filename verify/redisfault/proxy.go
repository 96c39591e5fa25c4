package redisfault

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// Proxy is an address that stays while what stands behind it changes: what a
// name or a virtual address is in production.
type Proxy struct {
	Addr string // host:port

	listener net.Listener
	wait     sync.WaitGroup
	mu       sync.Mutex
	to       string // "": nobody is there
	open     []net.Conn
}

// NewProxy listens on a free port of loopback and passes connections on.
func NewProxy(to string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &Proxy{Addr: listener.Addr().String(), listener: listener, to: to}
	p.wait.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			p.pass(in)
		}
	})
	return p, nil
}

func (p *Proxy) pass(in net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to == "" {
		_ = in.Close()
		return
	}
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = in.Close()
		return
	}
	p.open = append(p.open, in, out)
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		p.wait.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // ends with either side
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
}

// Point breaks what is connected and passes what comes on to another address;
// "" refuses it.
func (p *Proxy) Point(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
	for _, c := range p.open {
		_ = c.Close()
	}
	p.open = nil
}

// Close ends the proxy and all that is connected.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.Point("")
	p.wait.Wait()
}
