package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/sinktest"
)

// startTLSServer starts a server that speaks TLS only, and only with clients
// whose certificate the authority has signed.
func startTLSServer(t *testing.T, ca *authority, hosts ...string) *server {
	t.Helper()
	cert, key := ca.issue(t, "server", hosts...)
	clientCert, clientKey := ca.issue(t, "waiter")
	pair, err := tls.LoadX509KeyPair(clientCert, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return startServer(t, func(port int) *goredis.Options {
		config := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, ServerName: "127.0.0.1"}
		if len(hosts) > 0 {
			config.ServerName = hosts[0]
		}
		return &goredis.Options{Addr: fmt.Sprint("127.0.0.1:", port), TLSConfig: config}
	}, "--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "yes",
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca.file)
}

func TestConformanceOverTLSWithClientCertificates(t *testing.T) {
	ca := newAuthority(t, "test authority")
	s := startTLSServer(t, ca)
	cert, key := ca.issue(t, "client")
	sinktest.OnlineStore(t, func(t *testing.T) sinktest.Harness {
		o := options("rediss://" + s.address())
		o.CA, o.Cert, o.Key = ca.file, cert, key
		return harness(t, o, o, o)
	})
}

func TestTLSRefusesWhomItMust(t *testing.T) {
	ca, stranger := newAuthority(t, "test authority"), newAuthority(t, "stranger")
	s := startTLSServer(t, ca, "redis.example")
	cert, key := ca.issue(t, "client")
	base := options("rediss://" + s.address())
	base.CA, base.Cert, base.Key, base.ServerName = ca.file, cert, key, "redis.example"

	if err := openStore(t, base).Alive(context.Background(), 1); err != nil {
		t.Fatalf("with everything right: %v", err)
	}
	otherName, otherCA, noClient := base, base, base
	otherName.ServerName = ""
	otherCA.CA = stranger.file
	noClient.Cert, noClient.Key = "", ""
	for name, o := range map[string]Options{"the server's name is another": otherName, "its authority is unknown": otherCA} {
		err := openStore(t, o).Alive(context.Background(), 1)
		var fatal *sinks.Fatal
		if !errors.As(err, &fatal) {
			t.Errorf("%s: %v, want a fatal error", name, err)
		}
	}
	if err := openStore(t, noClient).Alive(context.Background(), 1); err == nil {
		t.Error("without a client certificate the server answered")
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.URL = "http://127.0.0.1:1" }, "want redis://host:port/db"},
		{func(o *Options) { o.URL = "redis://user:hunter2@127.0.0.1:port/0" }, "want redis://host:port/db"},
		{func(o *Options) { o.URL = "redis://user:hunter2@127.0.0.1:1/db" }, "want redis://host:port/db"},
		{func(o *Options) { o.URL = "redis://127.0.0.1:1"; o.CA = garbage }, "write rediss://"},
		{func(o *Options) { o.CA = "/does/not/exist.pem" }, "/does/not/exist.pem"},
		{func(o *Options) { o.CA = garbage }, "holds no certificate"},
		{func(o *Options) { o.Cert = garbage }, "both"},
		{func(o *Options) { o.Cert, o.Key = garbage, garbage }, "client certificate"},
		{func(o *Options) { o.Namespace = "" }, "namespace"},
	} {
		o := options("rediss://127.0.0.1:1")
		c.change(&o)
		_, err := Open(o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error with %q", o, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}
