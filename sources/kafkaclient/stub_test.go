package kafkaclient

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stub is a broker that does nothing but the SASL handshake, for mechanisms
// that in-process brokers have not: it notes what came and lets check decide.
type stub struct {
	address string
	check   func(mechanism string, first []byte) error

	mu        sync.Mutex
	mechanism string
	first     []byte
}

func startStub(t *testing.T, check func(mechanism string, first []byte) error) *stub {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{address: listener.Addr().String(), check: check}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return s
}

func (s *stub) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	authenticated := false
	for {
		var head [14]byte // size, key, version, correlation, length of the client id
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		size := int(binary.BigEndian.Uint32(head[0:]))
		key, version := int16(binary.BigEndian.Uint16(head[4:])), int16(binary.BigEndian.Uint16(head[6:]))
		rest := make([]byte, size-10)
		if _, err := io.ReadFull(in, rest); err != nil {
			return
		}
		if n := int16(binary.BigEndian.Uint16(head[12:])); n > 0 {
			rest = rest[n:]
		}
		answer := s.answer(key, version, rest, &authenticated)
		if answer == nil {
			return
		}
		out := binary.BigEndian.AppendUint32(nil, uint32(4+len(answer)))
		out = append(append(out, head[8:12]...), answer...)
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// versions are those before tagged fields, which keeps the framing simple.
var versions = map[kmsg.Key]int16{kmsg.ApiVersions: 2, kmsg.SASLHandshake: 1, kmsg.SASLAuthenticate: 1, kmsg.Metadata: 8}

func (s *stub) answer(key, version int16, body []byte, authenticated *bool) []byte {
	switch kmsg.Key(key) {
	case kmsg.ApiVersions:
		r := kmsg.NewApiVersionsResponse()
		if r.Version = version; version > versions[kmsg.ApiVersions] {
			r.Version, r.ErrorCode = 0, kerr.UnsupportedVersion.Code
		}
		for k, v := range versions {
			a := kmsg.NewApiVersionsResponseApiKey()
			a.ApiKey, a.MaxVersion = k.Int16(), v
			r.ApiKeys = append(r.ApiKeys, a)
		}
		return r.AppendTo(nil)
	case kmsg.SASLHandshake:
		q := kmsg.NewSASLHandshakeRequest()
		q.Version = version
		if q.ReadFrom(body) != nil {
			return nil
		}
		s.mu.Lock()
		s.mechanism = q.Mechanism
		s.mu.Unlock()
		r := kmsg.NewSASLHandshakeResponse()
		r.Version, r.SupportedMechanisms = version, []string{q.Mechanism}
		return r.AppendTo(nil)
	case kmsg.SASLAuthenticate:
		return s.authenticate(version, body, authenticated)
	case kmsg.Metadata:
		if !*authenticated {
			return nil
		}
		r := kmsg.NewMetadataResponse()
		r.Version = version
		b := kmsg.NewMetadataResponseBroker()
		host, port, _ := net.SplitHostPort(s.address)
		n, _ := strconv.Atoi(port)
		b.NodeID, b.Host, b.Port = 1, host, int32(n)
		r.Brokers, r.ControllerID = append(r.Brokers, b), 1
		return r.AppendTo(nil)
	}
	return nil
}

func (s *stub) authenticate(version int16, body []byte, authenticated *bool) []byte {
	q := kmsg.NewSASLAuthenticateRequest()
	q.Version = version
	if q.ReadFrom(body) != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = q.SASLAuthBytes
	r := kmsg.NewSASLAuthenticateResponse()
	r.Version, r.SASLAuthBytes = version, []byte{}
	if s.mechanism == MSKIAM {
		r.SASLAuthBytes = []byte(`{"version":"2020_10_22","request-id":"x"}`)
	}
	if err := s.check(s.mechanism, q.SASLAuthBytes); err != nil {
		r.ErrorCode, r.ErrorMessage = kerr.SaslAuthenticationFailed.Code, kmsg.StringPtr(err.Error())
	} else {
		*authenticated = true
	}
	return r.AppendTo(nil)
}
