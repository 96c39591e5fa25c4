package redis

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// server is a real Redis that a test started for itself.
type server struct {
	dir     string
	port    int
	process *exec.Cmd
	log     bytes.Buffer
}

// startServer starts redis-server on a free port and waits until ping answers.
// Of the arguments, {dir} is the server's folder and {port} its port.
func startServer(t *testing.T, ping func(port int) *goredis.Options, args ...string) *server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed, and under CI that is a failure: scripts/services up")
		}
		t.Skip("redis-server is not installed")
	}
	s := &server{dir: t.TempDir(), port: freePort(t)}
	s.process = exec.Command(binary, append([]string{"--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--daemonize", "no"}, args...)...)
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	for i, arg := range s.process.Args {
		if arg == "{port}" {
			s.process.Args[i] = strconv.Itoa(s.port)
		}
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.process.Process.Kill()
		s.process.Wait()
		if t.Failed() {
			t.Logf("redis-server said:\n%s", s.log.String())
		}
	})
	s.waitFor(t, ping(s.port))
	return s
}

func (s *server) waitFor(t *testing.T, o *goredis.Options) {
	t.Helper()
	client := goredis.NewClient(o)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("redis-server did not answer: %v", err)
		case <-ticker.C:
		}
	}
}

func (s *server) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// authority signs certificates for one test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM of the authority's own certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{dir: t.TempDir(), cert: cert, key: key}
	a.file = a.write(t, "ca.pem", "CERTIFICATE", der)
	return a
}

// issue makes a certificate for 127.0.0.1, or for one name where it is given.
func (a *authority) issue(t *testing.T, name string, hosts ...string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    hosts,
	}
	if len(hosts) == 0 {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return a.write(t, name+".pem", "CERTIFICATE", der), a.write(t, name+".key", "PRIVATE KEY", keyDER)
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
